import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.encoders.base import Tokens, encode_unique_texts

texts_and_batch = st.tuples(
    st.lists(st.text(alphabet="abc", max_size=6), min_size=1, max_size=30), st.integers(1, 8)
)


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


@given(texts_and_batch)
def test_each_text_gets_its_own_vector_in_order(case: tuple[list[str], int]) -> None:
    texts, batch_size = case
    vectors = encode_unique_texts(texts, tokenize, Recorder().encode, batch_size)
    assert vectors.dtype == torch.float32
    assert vectors.tolist() == [vector_of(tokens) for tokens in tokenize(texts)]


@given(texts_and_batch)
def test_each_different_text_is_encoded_once_beside_texts_of_its_length(
    case: tuple[list[str], int],
) -> None:
    texts, batch_size = case
    recorder = Recorder()
    encode_unique_texts(texts, tokenize, recorder.encode, batch_size)
    encoded = [tokens for batch in recorder.batches for tokens in batch]
    assert sorted(encoded) == sorted(tokenize(list(dict.fromkeys(texts))))
    assert [len(tokens) for tokens in encoded] == sorted(len(tokens) for tokens in encoded)
    assert all(len(batch) == batch_size for batch in recorder.batches[:-1])
    assert len(recorder.batches[-1]) <= batch_size
