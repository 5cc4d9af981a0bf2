"""``cupl encode``: a prompt bank to class vectors."""

from pathlib import Path
from typing import Annotated

import typer

from cupl.cli import encoder_options
from cupl.cli.output import HOW, count, files_of_cache, quoted, say, say_next
from cupl.cli.subset import SubsetOption, subset
from cupl.encoders.loading import DEFAULT_ENCODER
from cupl.io.outputs import check_target


def encode_command(
    bank: Annotated[Path, typer.Argument(help="Prompt bank.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write (.safetensors).")],
    encoder: encoder_options.EncoderOption = DEFAULT_ENCODER,
    text_encoder: encoder_options.TextEncoderOption = None,
    revision: encoder_options.RevisionOption = None,
    device: encoder_options.DeviceOption = "auto",
    precision: encoder_options.PrecisionOption = "auto",
    pooling: encoder_options.PoolingOption = None,
    templates: encoder_options.TemplatesOption = None,
    combine: encoder_options.CombineOption = None,
    strict: encoder_options.StrictOption = False,
    text_cache: encoder_options.TextCacheOption = None,
    classes: SubsetOption = None,
) -> None:
    """Encode a bank into one vector for each class."""
    encoder = encoder_options.with_text_encoder(encoder, text_encoder)
    from cupl.bank.model import PromptBank
    from cupl.encoders.loading import load_encoder

    check_target(
        output,
        bank,
        templates,
        *(classes or ()),
        *encoder_options.files_of(encoder),
        *files_of_cache(text_cache or None),
    )
    written = encoder_options.templates_of(templates, combine)
    prompts = subset(PromptBank.load(bank), classes)
    loaded = load_encoder(encoder, device, precision, revision=revision)
    vectors = encoder_options.encode_with(
        prompts, loaded, pooling, written, combine, strict, text_cache
    )
    vectors.save(output)
    rows, width = vectors.matrix.shape
    say(f"wrote {output}: {count(rows, 'class vector')} of {width} numbers by {encoder}")
    say_next(f"cupl classify IMAGE... --vectors {quoted(output)}", output, carry=HOW)
