"""``cupl cache embeddings``: the caches of what was encoded."""

from pathlib import Path
from typing import Annotated

import typer

from cupl.cli import encoder_options
from cupl.cli.output import bytes_in_words, count, say
from cupl.io.terminal import printable


def embeddings_command(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all of it; it is computed again when needed.")
    ] = False,
    embedding_cache: encoder_options.TextCacheOption = None,
) -> None:
    """Say what is kept of prompts and images that were encoded; none of it was paid for."""
    from cupl.embedding.image_cache import beside_texts, image_cache_folder, most_bytes
    from cupl.embedding.text_cache import MAX_CACHE_BYTES, embedding_folder
    from cupl.embedding.vector_cache import cache_size, clear_cache

    if embedding_cache is False:
        raise typer.BadParameter("--embedding-cache names the folder to look at")
    texts = embedding_folder(embedding_cache)
    place = beside_texts(embedding_cache)
    caches: list[tuple[Path, str, int]] = [
        (texts, "prompt", MAX_CACHE_BYTES),
        (image_cache_folder(place or None), "image", most_bytes()),
    ]
    for folder, noun, most in caches:
        if clear:
            clear_cache(folder)
            say(f"cleared {folder}")
            continue
        held = cache_size(folder)
        size = f"{bytes_in_words(held.bytes)} of at most {bytes_in_words(most)}"
        typer.echo(printable(f"{folder}: {count(held.entries, noun)}, {size}"))
