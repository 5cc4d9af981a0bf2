"""Parts of encoders of two models, for tests: text models and classifiers with random weights."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

ANIMALS = ("tench, Tinca tinca", "tree_frog", "grey fox, gray fox, Urocyon", "owl")
_PIECES = [
    *"abcdefghijklmnopqrstuvwxyzäöüß.,!?:[]",
    "ein",
    "frosch",
    "一",
    "只",
    "猫",
    "cat",
    "dog",
]


def save_sentences(
    folder: Path,
    *,
    width: int = 32,
    out: int | None = None,
    normalize: bool = False,
    prompt: str | None = None,
    longest: int = 12,
    seed: int = 0,
) -> Path:
    """Write a whole sentence-transformers model with random weights and return its directory.

    Args:
        folder: made where it is missing.
        width: of the transformer.
        out: width of a dense layer after it, as the multilingual CLIP's texts have one.
        normalize: end with vectors of length 1.
        prompt: to be set before each text.
        longest: text that it reads, in tokens.
        seed: of the weights.

    """
    bert = folder.parent / f"{folder.name}-bert"
    _save_bert(bert, width, seed)
    transformer = Transformer(str(bert), max_seq_length=longest)
    modules: list[torch.nn.Module] = [transformer, Pooling(width, pooling_mode="mean")]
    if out is not None:
        modules.append(Dense(width, out, bias=False, activation_function=torch.nn.Identity()))
    if normalize:
        modules.append(Normalize())
    prompts = None if prompt is None else {"plain": prompt}
    model = SentenceTransformer(
        modules=modules, device="cpu", prompts=prompts, default_prompt_name=prompt and "plain"
    )
    model.save(str(folder), create_model_card=False)
    return folder


def _save_bert(folder: Path, width: int, seed: int) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = dict.fromkeys([*special, *_PIECES, *(f"##{piece}" for piece in _PIECES)])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)  # type: ignore[no-untyped-call]
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=width, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=2 * width, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)


def save_classifier(folder: Path, labels: Sequence[str] = ANIMALS, seed: int = 0) -> Path:
    """Write a whole image classifier of transformers with random weights; returns its directory."""
    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        image_size=32, patch_size=8, id2label=dict(enumerate(labels)), initializer_range=0.5,
        label2id={label: number for number, label in enumerate(labels)},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_timm(folder: Path, labels: Sequence[str] | None = ANIMALS) -> Path:
    """Write a classifier of timm with random weights as timm does; returns its directory."""
    import timm
    from timm.models import save_for_hf

    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=len(labels or ANIMALS))
    named = {} if labels is None else {"label_names": list(labels)}
    save_for_hf(model, str(folder), model_config=named, safe_serialization=True)
    return folder


def edit(file: Path, /, **changes: object) -> None:
    """Change a JSON file; of a list its first object."""
    content = json.loads(file.read_text("utf-8"))
    (content[0] if isinstance(content, list) else content).update(changes)
    file.write_text(json.dumps(content), "utf-8")
