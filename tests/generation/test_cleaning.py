"""The patterns that say what is taken off, against the code that does it fast."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from cupl.generation.cleaning import MAX_MARKS, unwrapped
from cupl.generation.thinking import without_thinking
from cupl.generation.unpacking import unpacked

BULLET = re.compile(r"^\s*-+\s*")
OPENING = re.compile(
    r"^[^\w\"'“‘«(\[¿¡<`{|]+"
    r"|^(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great question)[!.,:]\s*"
    r"|^here(?:'s|’s| is| are)\b[^.!:]{0,150}:\s*"
    r"|^(?:(?:final )?answer|description|caption|image|a|q):\s*"
    r"|^(?:what|which|how|who|where|why|do|does|is|are|can)\b[^.!?]{0,200}\?\s*(?=\w)",
    re.IGNORECASE,
)
QUOTED = re.compile(r"""^(?:["“«]([^"“”«»]+?)["”»]?|['‘]((?:[^'‘’]|['’](?=\w))+)['’])([.!?]?)$""")
TRAILING = re.compile(r"(?<=[^\s.…])([!?]?)\s*[.…]+$")
SPILL = re.compile(
    r"^[a-z][^A-Z.!?]{0,80}?[a-z]{2}(?=(?:An?|The|Some|It|They|These)\b"
    r"|[A-Z][\w-]+ (?:is|are|has|have|looks?|can|typically|usually)\b)"
)
WORDS = "sure certainly ok Here's here are : A: q: answer: what Is can a frog It's is green"
SIGNS = "? ! , . … ... '' \" ' ‘ ’ “ ” « » - ~"

PIECES = [*WORDS.split(), *SIGNS.split(), *" " * 10]
texts = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


def as_meant(text: str) -> str:
    text = unpacked(without_thinking(text).strip(" "))  # which have tests of their own
    # The rest of a question can stand behind a bullet too: "- in detail as possibleThe frog".
    text = SPILL.sub("", " ".join(BULLET.sub("", text).split()))
    while (opened := OPENING.sub("", text)) != text:
        text = opened
    text = QUOTED.sub(lambda found: (found[1] or found[2]) + found[3], text)
    if not (text[-1:] == "." and text[-2:-1].isalnum()):
        text = TRAILING.sub(lambda found: found[1] or ".", text)
    return text.strip()


@given(texts)
@example("'It's a frog'!")
@example("“A frog”.")
@example("«A frog.»")
@example('".')
@example("x!! ...")
@example("x . .")
@example("x !...")
@example("-frogIt's")
@example('""')
@example('"a":"frog"')
@example("q: A: what? answer: sure. 'x'")
def test_what_is_taken_off_is_what_the_patterns_say(text: str) -> None:
    assert unwrapped(text) == as_meant(text)


def test_emphasis_is_taken_off_as_long_as_a_person_could_read_it() -> None:
    few, many = ("`a` " * (MAX_MARKS // 2 + more) for more in (0, 1))
    assert unwrapped(few) == ("a " * (MAX_MARKS // 2)).strip()
    assert unwrapped(many) == many.strip()
