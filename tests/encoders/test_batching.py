import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.encoders.batching import Tokens, encode_by_length, encode_unique_texts

some_texts = st.lists(st.text(alphabet="abc", max_size=6), min_size=1, max_size=30)


def tokenize(texts: list[str]) -> list[Tokens]:
    return [[0, *map(ord, text), 1] for text in texts]


def vector_of(tokens: Tokens) -> list[float]:
    return [float(len(tokens)), float(sum(i * token for i, token in enumerate(tokens)))]


class Recorder:
    def __init__(self) -> None:
        self.batches: list[list[Tokens]] = []

    def encode(self, batch: list[Tokens]) -> torch.Tensor:
        self.batches.append(batch)
        return torch.tensor([vector_of(tokens) for tokens in batch])


@given(some_texts)
def test_each_text_gets_its_own_vector_in_order(texts: list[str]) -> None:
    vectors = encode_unique_texts(texts, tokenize, Recorder().encode)
    assert vectors.dtype == torch.float32
    assert vectors.tolist() == [vector_of(tokens) for tokens in tokenize(texts)]


@given(some_texts, st.integers(1, 7))
def test_texts_of_the_same_tokens_are_encoded_once(texts: list[str], limit: int) -> None:
    recorder = Recorder()
    cut = [tokens[:limit] for tokens in tokenize(texts)]
    vectors = encode_unique_texts(
        texts, lambda unique: [tokens[:limit] for tokens in tokenize(unique)], recorder.encode
    )
    (encoded,) = recorder.batches
    assert sorted(encoded) == sorted(map(list, set(map(tuple, cut))))
    assert vectors.tolist() == [vector_of(tokens) for tokens in cut]


@given(some_texts, st.integers(1, 40))
def test_batches_hold_texts_of_similar_length_within_their_budget(
    texts: list[str], budget: int
) -> None:
    recorder, tokens = Recorder(), tokenize(texts)
    vectors = encode_by_length(tokens, recorder.encode, budget)
    assert vectors.tolist() == [vector_of(one) for one in tokens]
    lengths = [len(one) for batch in recorder.batches for one in batch]
    assert lengths == sorted(map(len, tokens))
    for batch, after in zip(recorder.batches, [*recorder.batches[1:], None], strict=True):
        assert len(batch) * len(batch[-1]) <= budget or len(batch) == 1
        assert after is None or (len(batch) + 1) * len(after[0]) > budget
