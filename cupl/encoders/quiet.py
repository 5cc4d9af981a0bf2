"""Loading models of transformers without its progress bars and warnings."""

import logging as standard_logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without the bars and warnings of transformers and what is built on it; then as before."""
    from transformers.utils import logging

    sentences = standard_logging.getLogger("sentence_transformers")
    theirs = sentences.level
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    sentences.setLevel(standard_logging.CRITICAL)
    logging.set_verbosity(standard_logging.CRITICAL)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        sentences.setLevel(theirs)
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
