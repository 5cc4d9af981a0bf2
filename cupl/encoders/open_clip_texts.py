"""Texts to the tokens that a text tower of open_clip reads, by open_clip's own tokenizers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cupl.encoders.batching import Tokens, hide_special_pieces
from cupl.encoders.hub import first_line
from cupl.encoders.open_clip_files import OpenClipFiles
from cupl.encoders.open_clip_names import import_open_clip
from cupl.errors import InputError

_DEFAULT_LENGTH = 77


class OpenClipTexts:
    """The tokenizer of a model: CLIP's, or one of transformers with open_clip's cleaning before it.

    A special token that a text spells out is text. open_clip itself would take
    ``<end_of_text>`` in a prompt for the end of it.

    Args:
        files: of the model.

    Raises:
        InputError: the tokenizer cannot be read.

    """

    def __init__(self, files: OpenClipFiles) -> None:
        text = files.config["text_cfg"]
        self._settings = dict(text.get("tokenizer_kwargs") or {})
        self._mode = text.get("tokenizer_mode") or None
        self.max_tokens = int(text.get("context_length", _DEFAULT_LENGTH))
        self.words: Any = None
        """Of transformers, or None."""
        open_clip = import_open_clip()
        try:
            if files.tokenizer is None:
                self._tokenizer = _of_clip(open_clip, self.max_tokens, self._settings)
                self.highest = self._tokenizer.vocab_size - 1
            else:
                self._tokenizer = open_clip.tokenizer.HFTokenizer(
                    str(files.tokenizer),
                    context_length=self.max_tokens,
                    tokenizer_mode=self._mode,
                    local_files_only=True,
                    trust_remote_code=False,
                    split_special_tokens=True,
                    **self._settings,
                )
                self.words = self._tokenizer.tokenizer
                if hasattr(self.words, "backend_tokenizer"):
                    hide_special_pieces(self.words)
                self.highest = max(self.words.get_vocab().values())
            self.ids(["a"])
        except Exception as error:  # a damaged file fails in the parser of whichever library
            raise InputError(
                f"the tokenizer of {files.name} cannot be used: {first_line(error)}"
            ) from error

    def ids(self, texts: Sequence[str]) -> list[Tokens]:
        """Token ids of each text, cut and filled up to ``max_tokens`` as in training."""
        ids: list[Tokens] = self._tokenizer(list(texts)).tolist()
        return ids

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before it is cut, special tokens included."""
        if self.words is None:
            return [len(self._tokenizer.encode(text)) + 2 for text in texts]
        if not texts:
            return []
        cleaned = [self._tokenizer.clean_fn(text) for text in texts]
        plain = self._mode == "clips"  # which adds three special tokens by itself
        encoded = self.words(
            cleaned, add_special_tokens=not plain, truncation=False, padding=False, verbose=False
        )["input_ids"]
        return [len(ids) + 3 * plain for ids in encoded]

    def identity(self) -> dict[str, Any]:
        """All that decides the tokens of a text."""
        if self.words is None:
            vocabulary: Any = self._tokenizer.encoder
        elif hasattr(self.words, "backend_tokenizer"):
            backend = json.loads(self.words.backend_tokenizer.to_str())
            # These two change with every call of the tokenizer.
            vocabulary = {**backend, "truncation": None, "padding": None}
        else:
            vocabulary = [type(self.words).__name__, self.words.get_vocab()]
        digest = hashlib.sha256(json.dumps(vocabulary, sort_keys=True).encode()).hexdigest()
        return {
            "vocabulary": digest,
            "settings": self._settings,
            "mode": self._mode,
            "length": self.max_tokens,
            "padding": None if self.words is None else self.words.pad_token_id,
        }


def _of_clip(open_clip: Any, length: int, settings: dict[str, Any]) -> Any:
    cleaning = {"clean": settings["clean"]} if "clean" in settings else {}
    tokenizer = open_clip.SimpleTokenizer(context_length=length, **cleaning)
    special = [tokenizer.decoder[one] for one in tokenizer.all_special_ids]
    beginning = "|".join(special) + "|"
    words = tokenizer.pat.pattern.removeprefix(beginning)
    tokenizer.pat = open_clip.tokenizer.re.compile(words, tokenizer.pat.flags)
    for token in special:
        tokenizer.cache.pop(token, None)
    return tokenizer
