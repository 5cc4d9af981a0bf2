"""The command line for the examples."""

from tests.cli.conftest import cupl as cupl
