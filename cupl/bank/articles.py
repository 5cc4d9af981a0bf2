"""The English indefinite article by sound: "an abacus", "a unicycle", "an 8-ball", "an MRI"."""

import re
import unicodedata
from typing import Literal

# The rules are those of Damian Conway's "An Algorithmic Approach to English Pluralization", which
# the inflect package has as well. They stand here so that no release of a library can change them:
# the article is part of the question and the question part of a cached answer's key, so a rule
# that changes its mind about a word has every answer about it paid for again. Don't refine them.

_ONSETS = "F|FL|FR|H|L|M|MN|N|R|RH|S|SC|SH|SK|SL|SM|SN|SP|ST|SV|SW|X|XYL"
"""How a word in capitals can begin with one of F H L M N R S X; other beginnings are initials."""

_SINGLE_LETTER = re.compile(r"[a-z](?:-?th|[.-]|$)", re.IGNORECASE)  # "x-ray", "nth", "F"
_VOWEL_LETTERS = frozenset("aefhilmnorsx")  # those whose own names begin with a vowel: "ef", "ex"
_INITIALS = re.compile(  # "MRI", "SLR", "FBI", but "NATO" and "SQUID"
    rf"(?!(?:{_ONSETS})[AEIOU]|SQU|FJO|RY[EO]|[HLMNS]Y.)[FHLMNRSX][A-Z]"
)
_SILENT_CONSONANT = re.compile(r"hour(?!i)|heir|honest|hono[ur]|mpeg|euler", re.IGNORECASE)
_CONSONANT_SOUND = re.compile(  # "European", "one-armed", "unicycle", "ukulele", "user", "UK"
    r"(?i:e[uw]|onc?e\b|onetime\b|uni(?:[^nmd]|mo)|u[bcfghjkqrst][aeiou]|ukr|us|unanimous"
    r"|unabomber)|U[NK]"
)
_VOWEL_SOUND = re.compile(
    r"[aeiou]|y(?:b[lor]|cl[ea]|fere|gg|p[ios]|rou|tt)",  # "yttrium"
    re.IGNORECASE,
)
_EIGHT_OR_ELEVEN = re.compile(r"8\d*|1[18](?:\d{3})*")  # "80", "11", "18000"


def indefinite_article(phrase: str) -> Literal["a", "an"]:
    """Return what goes before the phrase; "a" where nothing in it tells."""
    spoken = re.sub(r"^\d{1,9}", lambda found: _first_word(found[0]), phrase)
    # The rules know English letters only.
    spoken = unicodedata.normalize("NFKD", spoken).encode("ascii", "ignore").decode().strip()
    if _SINGLE_LETTER.match(spoken):
        return "an" if spoken[0].lower() in _VOWEL_LETTERS else "a"
    if _SILENT_CONSONANT.match(spoken) or _INITIALS.match(spoken):
        return "an"
    if _CONSONANT_SOUND.match(spoken):
        return "a"
    return "an" if _VOWEL_SOUND.match(spoken) else "a"


def _first_word(number: str) -> str:
    """A word that begins as the number does when it is read aloud."""
    digits = str(int(number))  # without leading zeros
    if _EIGHT_OR_ELEVEN.fullmatch(digits):
        return "eight"
    return "one" if digits == "1" else "two"
