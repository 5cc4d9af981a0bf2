"""Texts, names and banks of every legal kind, for property tests."""

from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel, check_label
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.errors import InputError

# What YAML reads as something else, or what begins something in it.
_WORDS = """
no 0 null ~ 2012-01-01 12:30 1e3 .inf 0x1F = << yes ' " *a &a !t %d @x ` | > . --- ... {} {a} [y] %s
"""
_TRAPS = [
    *_WORDS.split(), "- a", "# b", "a: b", "a #b", "? a", "--- a", " before", "after ", "\tx",
    "x\t", "\u2028", "\x85", "\ufeff", "a\nb", "\n", "|\n", "a\r\nb", " a\n\tb \n", "x" * 200,
    "\x00", "\x1b[31m", "\x7f", "\U0001f438", "ضفدع", "\ud7ff", "\ue000", "\uffff", "x " * 600,
]  # fmt: skip


def _is_name(text: str) -> bool:
    try:
        check_label(ClassLabel(text))
    except InputError:
        return False
    return True


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(_TRAPS)
prompts = st.tuples(texts, texts).map("".join).filter(str.strip)
names = texts.map(str.strip).filter(_is_name)
questions = st.dictionaries(
    texts, st.lists(prompts, min_size=1, max_size=3), min_size=1, max_size=3
)
classes = st.builds(
    ClassPrompts,
    name=names,
    id=st.none() | names,
    aliases=st.lists(names, max_size=2),
    prompts=questions,
)
banks = st.builds(
    PromptBank,
    name=texts,
    source=st.none(),
    classes=st.lists(
        classes, min_size=1, max_size=3, unique_by=(lambda c: c.name, lambda c: c.id or c.name)
    ),
)
