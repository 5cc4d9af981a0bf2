"""The command line, for the examples."""

from tests.cli.conftest import cupl

__all__ = ["cupl"]
