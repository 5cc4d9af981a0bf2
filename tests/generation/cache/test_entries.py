from hypothesis import given
from hypothesis import strategies as st

from cupl.generation.cache.entries import CacheEntry, Stored, entry_from_json, entry_to_json
from cupl.llm.protocol import Failure, Response
from tests.caches import key

texts = st.text(st.characters())  # half a surrogate pair is legal JSON too
numbers = st.none() | st.integers()
responses = st.builds(Response, texts, texts, st.none() | texts, numbers, numbers, numbers)
entries: st.SearchStrategy[CacheEntry] = responses | st.builds(Failure, texts, st.integers())


@given(entries, st.integers(0, 250_000_000_000))
def test_an_entry_survives_its_text(entry: CacheEntry, time: int) -> None:
    text = entry_to_json(entry, time)
    assert text.isascii()
    assert "\n" not in text
    assert entry_from_json(key(0), text) == Stored(key(0), entry, time)
