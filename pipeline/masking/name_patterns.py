"""Where a name may stand in a note, and how much that place says by itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import regex


class Evidence(StrEnum):
    """What a place still asks of the words in it."""

    CERTAIN = "nothing: a title or a label says that a name follows"
    ONE_KNOWN = "one of the words is in a list of names"
    STRANGE = "no word is in a list of other words, or has a medical ending"
    LISTED = "one of the words is in a list of names, even if it is an eponym too"
    UNLISTED = "there are two words or more, and none is an ordinary one"
    FAMILY = "the last word is in a list of family names"
    GIVEN_FIRST = "the first word is in a list of given names"
    COMMON = "none: the first word is a very usual given name"
    PAIR = "a given name and a family name together"
    GIVEN_AND_STRANGE = "a given name, and a word that is in no list of other words"

    @property
    def sure(self) -> bool:
        """Whether the place says so well that a name follows that its repeats are names too, word or not."""
        return self in (Evidence.CERTAIN, Evidence.LISTED)


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A place for a name: the group `x` of `regex`."""

    evidence: Evidence
    regex: regex.Pattern[str]


# a name of at most five joined parts, so that a long chain of them is not searched anew from each
_WORD = r"\p{Lu}[\p{L}\p{M}]*(?:['\u2019\-](?!s\b)\p{L}[\p{L}\p{M}]*){0,4}"
_LOWER = r"\p{Ll}[\p{L}\p{M}]+(?:['\u2019\-](?!s\b)\p{L}+)*"
_PARTICLE = r"(?:van|von|de|der|den|del|della|di|da|dos|la|le|du|al|el|bin|ibn|ter|ten|y|e)"
_GAP = r"(?:[ \t]+\n?[ \t]*|\n[ \t]*)"
TOKEN = regex.compile(rf"{_WORD}\.?(?=\s|$|\W)(?<!\p{{L}}{{3}}\.)|{_WORD}|{_LOWER}")
"""One word or initial of a name; the full stop belongs to an initial or abbreviation only."""

_MORE = rf"(?:{_GAP}(?:{_PARTICLE}{_GAP}){{0,2}}(?:{_WORD}|\p{{Lu}}\.?))"
_RUN = rf"""(?P<x>(?:\p{{Lu}}\.{_GAP}?){{0,3}}(?:{_PARTICLE}{_GAP}){{0,2}}
    (?:{_WORD}|\p{{Lu}}\b\.?)(?:(?<=\b\p{{Lu}})\.)?{_MORE}{{0,3}})"""
_ANY = r"\p{L}[\p{L}'\u2019\-]+"

_TITLES = r"""(?:Mr|Mrs|Ms|Mx|Miss|Dr|Drs|Prof|Professor|Doctor|Sir|Dame|Lady|Rev|Reverend
    |Father|Sister|Nurse(?:[ ][Pp]ractitioner)?+|Sgt|Capt|Lt|Col|Maj
    |Judge|Officer|Matron|Midwife|Mister|Messrs|Madam|Rabbi|Imam|Señor|Señora|Sra|Monsieur|Madame|Herr
    |Frau)"""
_CAPITAL_TITLES = r"(?:MR|MRS|MS|MISS|DR|PROF|DOCTOR|NURSE|SISTER)"
_TITLE = rf"(?:{_TITLES}\.?[ ])?"
_ROLES = r"""(?:physician|doctor|surgeon|consultant|attending|anesthesiologist|anaesthetist|assistants?
    |provider
    |author|gp|pcp|radiologist|pathologist|cardiologist|resident|registrar|nurse|practitioner|therapist
    |witness
    |interpreter|referrer|clinician)"""
_NAME_LABELS = r"""(?:(?:patient(?:['\u2019]s)?|full|first|last|middle|maiden|given|family)[ ]name|surname
    |forename
    |nok|next[ ]of[ ]kin|name[ ]of[ ]patient|name)"""
_PERSON_LABELS = rf"""(?:emergency[ ]contact|informant|carer|guardian|spouse
    |(?:primary|referring|treating|attending|ordering|family|operating)[ ]{_ROLES})"""
_STAFF = r"""(?:nurse(?:[ ]practitioner)?|practitioner|midwife|physiotherapist|therapist|carer|interpreter
    |pharmacist|consultant|surgeon|registrar|dietitian|social[ ]worker|case[ ]manager|coordinator|gp|doctor
    |physician)"""
_CALL = r"(?:call(?:ed|ing)?|phoned?|ring|rang|text(?:ed)?|contact(?:ed)?|reach(?:ed)?|whatsapp)"
_CASED = r"\p{Lu}\p{Ll}+(?:['\u2019\-]\p{Lu}\p{Ll}+){0,4}"
_THING = r"\b(?:technique|method|procedure|device|system|model|drug)"
_BY = r"""(?:electronically[ ]signed|signed(?:[ ]off)?|dictated|transcribed|typed|verified|authenticated
    |authori[sz]ed
    |reported|reviewed|performed|interpreted|requested|ordered|referred|prepared|written|completed
    |countersigned
    |witnessed|seen|examined|assessed|accompanied|admitted|operated)"""
_RELATIVES = r"""(?:wife|husband|spouse|son|daughter|mother|mom|mum|father|dad|sister|brother|partner|friend
    |carer
    |caregiver|niece|nephew|aunt|uncle|grandson|granddaughter|grandmother|grandfather|neighbou?r|girlfriend
    |boyfriend
    |guardian|fiancée?|cousin|twin)(?:-in-law)?"""
_GREETINGS = r"""(?:hi|hey|hello|thanks|thank\s+you|good\s+(?:morning|afternoon|evening)|morning|afternoon|bye
    |goodbye|nice\s+to\s+(?:see|meet)\s+you)"""
_ASIDES = r"""(?:okay|ok|alright|all\s+right|so|well|yes|yeah|now|right|sure|sorry|great|and|but|um|uh
    |absolutely
    |listen|look)"""
_DEGREES = r"""(?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?\s?D|MBBS|MBChB|MRCP|FRCS|FRCP|FACS|FACC|DPM|DDS
    |DMD|OD
    |LPN|CRNA|PharmD|LCSW|PT|DPT|PsyD)"""
_VERBS = r"""(?:is|was|has|had|reports?|reported|states?|stated|denies|denied|presents?|presented|says?|said
    |will
    |complains?|complained|came|comes|returns?|returned|notes|noted|endorses|describes?|described|lives|works
    |underwent|did|does|wants?|feels?|felt|tolerated|agreed|agrees|continues|would|understands)"""
_OWNED = r"(?:wife|husband|mother|father|son|daughter|family|mom|dad|symptoms|pain|blood|history)"
_NOT_PEOPLE = r"(?:hepatitis|vitamin|type|group|factor|grade|class|stage|influenza|level|patient|case)"


def _place(evidence: Evidence, pattern: str) -> NamePattern:
    return NamePattern(evidence, regex.compile(pattern, regex.VERBOSE | regex.UNICODE))


_TITLED = (
    _place(
        Evidence.CERTAIN,
        rf"(?<![\w\-]){_TITLES}\b\.?{_GAP}?(?:and{_GAP}{_TITLES}\b\.?{_GAP}|{_TITLES}\b\.?{_GAP})?{_RUN}",
    ),
    _place(Evidence.CERTAIN, rf"(?<![\w\-]){_CAPITAL_TITLES}\.{_GAP}?{_RUN}"),
    # "MR" is a way of imaging and "MS" a disease, so capitals without a full stop ask for a known name
    _place(Evidence.LISTED, rf"(?<![\w\-]){_CAPITAL_TITLES}{_GAP}{_RUN}"),
    _place(
        Evidence.LISTED,
        rf"""(?<![\w\-])(?i:(?:mr|mrs|ms|dr|miss)\b(?:[ ]?\.)?|doctor|nurse)[ ]+
            (?P<x>{_LOWER}(?:[ ]{_LOWER})?)""",
    ),
    _place(
        Evidence.CERTAIN,
        rf"""(?<![\w\-])(?i:mr|mrs|ms|dr)[ ]?\.[ ]+
            (?P<x>(?!(?:and|or|will|is|has|at|in|to|for|on|with)\b){_LOWER})""",
    ),
)

_LABELLED = (
    _place(
        Evidence.CERTAIN,
        rf"""\b(?i:{_NAME_LABELS})\s*[:\-=]\s*{_TITLE}
            (?P<x>{_WORD}(?:,?[ \t]*(?:{_WORD}|\p{{Lu}}\b\.?)){{0,3}})""",
    ),
    _place(Evidence.CERTAIN, rf"\b(?i:{_NAME_LABELS}|{_PERSON_LABELS})[ \t]*[:=][ \t]*{_TITLE}{_RUN}"),
    _place(Evidence.CERTAIN, rf"(?<![\w\-])(?i:dear)[ \t]+{_TITLE}{_RUN}"),
    _place(
        Evidence.CERTAIN,
        rf"\b(?i:{_CALL})[ ](?P<x>{_CASED}(?:[ ]{_CASED}){{0,2}})(?=[ ](?:on|at)[ ](?:[(+]?\d|\[PHONE))",
    ),
    _place(
        Evidence.STRANGE, rf"\b{_STAFF}[ ](?P<x>{_CASED}[ ](?:\p{{Lu}}\.[ ])?(?:{_PARTICLE}[ ])?{_CASED})"
    ),
    _place(
        Evidence.CERTAIN,
        rf"""(?i:\b(?:my|his|her|patient['\u2019]s|child['\u2019]s)\s+name\s+is
            |(?<!{_THING}[ ])\b(?:named|nicknamed))\s+
            (?P<x>{_ANY}(?:[ ]\p{{Lu}}[\p{{L}}'\u2019\-]+){{0,2}})""",
    ),
    _place(Evidence.CERTAIN, rf"(?P<x>{_WORD}(?:[ ](?:\p{{Lu}}\.?|{_WORD})){{1,3}}),?[ \n]+{_DEGREES}\b"),
    _place(Evidence.UNLISTED, rf"\b(?i:{_BY}[ ]by[ \t]*:?|(?:patient|pt)[ \t]*:)[ \t]*{_TITLE}{_RUN}"),
    _place(
        Evidence.ONE_KNOWN,
        rf"""\b(?i:{_BY}[ ]by|cc|c/o|re|attn|attention|from|to|pt|patient|{_ROLES})(?:[ \t]*[:\-][ \t]*
        |[ \t]+)
            {_TITLE}{_RUN}""",
    ),
)

_ALONE = (
    _place(Evidence.GIVEN_FIRST, rf"\b(?i:{_RELATIVES})[ ]?[,(]?[ \n]?(?P<x>{_WORD}(?:[ ]{_WORD})?)"),
    _place(Evidence.STRANGE, rf"(?<![\w\-]){_RELATIVES}[ ](?P<x>(?=\p{{L}}{{3}}){_CASED})(?![\p{{L}}\-])"),
    _place(Evidence.GIVEN_FIRST, rf"\b(?i:{_GREETINGS})[ ]?,?[ ](?P<x>{_ANY})"),
    _place(
        Evidence.GIVEN_FIRST, rf"\b(?i:{_ASIDES})[ ]?,[ ](?P<x>{_ANY})(?=[ ]?[,.?!]|[ ](?:i|you|we|so|let)\b)"
    ),
    _place(Evidence.GIVEN_FIRST, rf"\b(?P<x>{_WORD})\s+{_VERBS}\b"),
    _place(Evidence.GIVEN_AND_STRANGE, rf"\b(?P<x>{_CASED}[ ](?:\p{{Lu}}\.[ ])?{_CASED})"),
    _place(Evidence.GIVEN_FIRST, rf"\b(?P<x>\p{{Lu}}\p{{L}}+)['\u2019]s[ ]{_OWNED}\b"),
)

_TOGETHER = (
    _place(
        Evidence.PAIR,
        rf"""\b(?P<x>\p{{Lu}}[\p{{L}}'\u2019\-]{{1,60}}(?:{_GAP}\p{{Lu}}(?:\.|\b))?{_GAP}
            (?:{_PARTICLE}[ ]){{0,2}}{_WORD}(?:[ ]{_WORD})?)""",
    ),
    _place(Evidence.PAIR, rf"\b(?P<x>{_WORD},[ \t]+{_WORD}(?:[ ]\p{{Lu}}\b\.?)?)"),
    _place(
        Evidence.FAMILY,
        rf"(?<![\w\-.])(?<!{_NOT_PEOPLE}[ ])(?P<x>(?:\p{{Lu}}\.[ ]?){{1,3}}{_WORD})",
    ),
)


def common_name_pattern(names: Collection[str]) -> NamePattern:
    """The place that is no place: one of these given names anywhere, with the family name that may follow.

    "Amy" before a number of units is the enzyme amylase.
    """
    pattern = rf"""(?<![\p{{L}}\-'\u2019.@])(?P<x>\L<names>(?!\p{{L}}|-|['\u2019](?!s\b))
        (?:[ \t]+(?:\p{{Lu}}\b\.?[ \t]+)?(?:{_WORD}|{_LOWER}))?)
        (?![ \t:=]+\d[\d.,]*[ ]?(?:[kI]?U|[mnpu]?g|mmol)\b)"""
    cased = [form for name in names for form in (name, name.title(), name.upper())]
    return NamePattern(Evidence.COMMON, regex.compile(pattern, regex.VERBOSE | regex.UNICODE, names=cased))


PATTERNS: tuple[NamePattern, ...] = (*_TITLED, *_LABELLED, *_ALONE, *_TOGETHER)
