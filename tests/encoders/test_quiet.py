"""Loading prints nothing, and leaves the libraries as talkative as they were."""

import logging as standard_logging
from contextlib import suppress

import pytest
from transformers.utils import logging

from cupl.encoders.quiet import quiet_transformers


@pytest.mark.parametrize("bars", [True, False])
def test_all_is_as_before_also_after_an_error(bars: bool) -> None:
    before = logging.is_progress_bar_enabled()
    sentences = standard_logging.getLogger("sentence_transformers")
    try:
        (logging.enable_progress_bar if bars else logging.disable_progress_bar)()  # type: ignore[no-untyped-call]
        levels = logging.get_verbosity(), sentences.level
        with suppress(RuntimeError), quiet_transformers():
            assert not logging.is_progress_bar_enabled()
            assert not logging.get_logger("transformers.x").isEnabledFor(standard_logging.ERROR)
            assert not sentences.isEnabledFor(standard_logging.ERROR)
            raise RuntimeError
        assert (logging.get_verbosity(), sentences.level) == levels
        assert logging.is_progress_bar_enabled() is bars
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()  # type: ignore[no-untyped-call]
