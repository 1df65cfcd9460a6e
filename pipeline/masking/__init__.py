"""Masking of patient identifiers, before a note leaves the process.

Names, dates finer than a year, ages over 89, numbers of records, insurance and devices, phone numbers,
e-mail and web addresses and postal addresses (the list of HIPAA's Safe Harbor, 45 CFR 164.514(b)(2)) become
placeholders such as "[NAME]". Every later step works on the masked note; nothing leads back.

What finds them: Presidio's recognisers for what has a check digit or a numbering plan (phones, NHS and
social security numbers, cards, e-mail, IP), and rules of our own for what depends on how notes are written.
Both run with no network. A language model for names (spaCy's small English one) was tried and left out: of
the 101 people it saw in 200 case reports one was a person, and the rest were drugs, signs and eponyms,
which a training set is made of; the model is on the package index only as strangers' copies. Names are
found by titles, labels, salutations and Faker's lists of names instead; `words.toml` holds the words and
eponyms that are no names.

Masking is a safeguard, not an anonymisation: an unusual name with nothing around it, or a town, can remain.
"""

from pipeline.masking.kinds import Kind, Masked, UnmaskableError
from pipeline.masking.masker import Masker, masking_version

__all__ = ["Kind", "Masked", "Masker", "UnmaskableError", "masking_version"]
