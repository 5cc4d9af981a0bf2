"""Measurements; run one by ``python -m tests.benchmarks.NAME``."""

from cupl.encoders.torchvision_import import mend_torchvision

mend_torchvision()
