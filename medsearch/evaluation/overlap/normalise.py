"""Texts as words, so that case, punctuation, layout, mark-up and compatibility characters do not count."""

from __future__ import annotations

import html
import re
import unicodedata

# Chinese and Japanese write no spaces: there each sign is a word, or eight words would be a paragraph.
_SIGN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{_SIGN}]|[^\W_{_SIGN}]+")

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
"""Format characters, category Cf (soft hyphens, zero width, directions), joiners and variation selectors."""

_MARKUP = re.compile(
    r"<\|im_start\|>\s*\w+|<\|start_header_id\|>\s*\w+\s*<\|end_header_id\|>|<start_of_turn>\s*\w+"
    r"|<\|[^|<>]{1,40}\|>|\[/?inst\]|\[(?:cls|sep|bos|eos|pad)\]|<</?sys>>"
    r"|</?[a-z][\w:.-]{0,40}(?:\s[^<>=]{0,200}=[^<>]{0,400})?\s?/?>|<!--[^<>]{0,400}-->",
    re.IGNORECASE,
)
"""Tags of HTML and the tokens of chats; a "<" of a comparison is left."""

_BEFORE = re.compile(
    r"[\W_]*(?:(?:search[ _])?(?:query|document)|question|passage|q|text|title|input|user|human|prompt"
    r"|instruct(?:ion)?\s*:[^?]{0,300}?\bquery|represent (?:this|the) [^:?\n]{3,120}"
    r"|task: [^|\n]{3,80}\| ?query|title: none \| ?text)\s*:",
    re.IGNORECASE,
)
"""What encoders and chats are given before a text: "query:", "Represent this sentence for …:"."""

_BEHIND = re.compile(r"(?<!\w)(?:answer|response|output|assistant|a)\s*:\W*$", re.IGNORECASE)
_LONGEST_BEHIND = 40

_LIGHT = (
    "a an the this that these those of in on at to for from by with about as and or is are was were be been "
    "being am do does did has have had can could may might will would shall should must i you he she it we "
    "they me him her us them my your his its our their what which there please"
)
FUNCTION_WORDS = frozenset(_LIGHT.split())
"""English words without a subject of their own. "no", "not", "without", "who", "how", "when" and their like
are left out: they change what is asked."""

EMPTY_WORDS = frozenset(["a", "an", "the", "is", "are", "was", "were", "be"])
"""Those that never make another question, however short it is: "What to do for" is not "What is"."""


def normalised_words(text: str) -> list[str]:
    """The words of a text under NFKC and case folding; none of a text without letters and digits.

    Entities and tags of HTML, invisible characters, and what is put around a text for a model do not count.
    """
    return WORD.findall(readable(text))


def readable(text: str) -> str:
    """The text that `normalised_words` takes its words from; a new line stands where a tag was."""
    if "&" in text:
        text = html.unescape(text)
    plain = (
        text.lower() if text.isascii() else unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    )
    if "<" in plain or "[" in plain:
        plain = _MARKUP.sub("\n", plain)
    return _unwrapped(plain)


def _unwrapped(text: str) -> str:
    """The text without a prompt before it and "Answer:" behind it; all of it where no word would be left."""
    start, before = 0, _BEFORE.match(text)
    while before:
        start, before = before.end(), _BEFORE.match(text, before.end())
    behind = _BEHIND.search(text, max(start, len(text) - _LONGEST_BEHIND))
    rest = text[start : behind.start() if behind else len(text)] if start or behind else text
    return rest if WORD.search(rest) else text
