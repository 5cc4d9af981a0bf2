from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cupl.encoders.open_clip_config import check_config
from cupl.encoders.open_clip_files import OpenClipFiles
from cupl.encoders.open_clip_names import import_open_clip
from cupl.encoders.open_clip_texts import OpenClipTexts
from cupl.errors import InputError
from tests.models import save_gemma_tokenizer
from tests.open_clip_models import save_bert_tokenizer, save_siglip_tokenizer, write_config

open_clip = import_open_clip()
TEXTS = ["a photo of a cat.", "A small FROG, with the tree!", "dog " * 200, "", "it's a_tree &amp;"]
Save = Callable[[Path], object]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tokenizers of the kinds that configurations of open_clip name."""
    kinds: dict[str, Save] = {
        "bert": save_bert_tokenizer, "t5": save_siglip_tokenizer, "gemma": save_gemma_tokenizer,
    }  # fmt: skip
    folders = {}
    for kind, save in kinds.items():
        folders[kind] = tmp_path_factory.mktemp(kind)
        save(folders[kind])
    return folders


def _files(text: dict[str, Any], tokenizer: Path | None) -> OpenClipFiles:
    return OpenClipFiles("model", None, {"text_cfg": text}, {}, tokenizer, Path("none"))


def _kind(name: str) -> str:
    if "bert-base" in name and "roberta" not in name:
        return "bert"
    return "t5" if "SigLIP" in name and "SigLIP2" not in name else "gemma"


def test_every_architecture_gets_open_clips_tokens(saved: dict[str, Path]) -> None:
    seen = set()
    for architecture in open_clip.list_models():
        config = open_clip.get_model_config(architecture)
        check_config(architecture, config)
        text = config["text_cfg"]
        settings = (text.get(key) for key in ("context_length", "hf_tokenizer_name"))
        key = str([*settings, text.get("tokenizer_kwargs")])
        if key in seen:
            continue
        seen.add(key)
        folder = None
        theirs = None
        if name := text.get("hf_tokenizer_name"):
            folder = saved[_kind(name)]
            write_config(folder, config, {})
            theirs = open_clip.get_tokenizer(f"local-dir:{folder}")
        ours = OpenClipTexts(_files(text, folder))
        theirs = theirs or open_clip.get_tokenizer(architecture)
        assert ours.ids(TEXTS) == theirs(TEXTS).tolist(), architecture
        assert ours.max_tokens == theirs.context_length
    assert len(seen) > 20


@pytest.mark.parametrize("kind", ["clip", "bert", "t5", "gemma"])
def test_tokens_are_counted_before_they_are_cut(kind: str, saved: dict[str, Path]) -> None:
    ours = OpenClipTexts(_files({"context_length": 16}, saved.get(kind)))
    long, short = ours.lengths(["dog " * 200, "dog"])
    assert long > 200
    assert short <= 16
    assert ours.lengths([]) == []
    for row in ours.ids(["dog " * 200, "dog"]):
        assert len(row) == 16
    filled = ours.ids(["dog"])[0]
    assert filled[short:] == filled[-1:] * (16 - short)  # nothing but padding after the text


@pytest.mark.parametrize(
    ("kind", "special"),
    [
        ("clip", "<end_of_text>"),
        ("clip", "<START_OF_TEXT>"),
        ("bert", "[SEP]"),
        ("gemma", "<eos>"),
        ("gemma", "<pad>"),
        ("t5", "</s>"),
    ],
)
def test_a_special_token_in_a_text_is_text(kind: str, special: str, saved: dict[str, Path]) -> None:
    ours = OpenClipTexts(_files({}, saved.get(kind)))
    vocabulary = ours.words.get_vocab() if ours.words else ours._tokenizer.encoder
    text = f"a {special} cat"
    beginning = kind in ("clip", "bert")
    within = ours.ids([text])[0][beginning : ours.lengths([text])[0] - 1]
    assert len(within) > 2
    assert vocabulary[special.lower() if kind == "clip" else special] not in within


def test_open_clip_itself_takes_it_for_the_end() -> None:
    """Where this does not hold any more, the tokenizer needs no change by us."""
    theirs = open_clip.SimpleTokenizer()(["a <end_of_text> cat"])[0].tolist()
    assert theirs[:5] == [49406, 320, 49407, 2368, 49407]


def test_canonical_texts_have_no_punctuation_and_no_capitals(saved: dict[str, Path]) -> None:
    settings = {"tokenizer_kwargs": {"clean": "canonicalize"}}
    plain, other = OpenClipTexts(_files(settings, saved["gemma"])).ids(
        ["a photo of a cat", "A photo, of a CAT."]
    )
    assert plain == other
    plain, other = OpenClipTexts(_files({}, saved["gemma"])).ids(["a cat", "a cat."])
    assert plain != other


def test_the_identity_tells_tokenizers_apart(saved: dict[str, Path]) -> None:
    made = [
        OpenClipTexts(_files(text, folder)).identity()
        for text in ({}, {"context_length": 32}, {"tokenizer_kwargs": {"clean": "whitespace"}})
        for folder in (None, *saved.values())
    ]
    assert all(made.count(one) == 1 for one in made)


def test_the_identity_does_not_change_with_use(saved: dict[str, Path]) -> None:
    for folder in (None, saved["bert"]):
        texts = OpenClipTexts(_files({}, folder))
        before = texts.identity()
        texts.ids(["dog " * 200])
        texts.lengths(["dog"])
        assert texts.identity() == before


def test_a_damaged_tokenizer(tmp_path: Path) -> None:
    save_gemma_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="the tokenizer of model cannot be used"):
        OpenClipTexts(_files({}, tmp_path))


def test_a_tokenizer_that_is_code_is_not_run(tmp_path: Path) -> None:
    save_gemma_tokenizer(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "tokenizer_config.json").write_text(
        '{"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}, "tokenizer_class": "Evil"}'
    )
    with suppress(InputError):
        OpenClipTexts(_files({}, tmp_path))
    assert not (tmp_path / "ran").exists()
