"""Results as pages and pictures that a person looks at."""

from cupl.report.examples import Example
from cupl.report.files import write_predictions_page, write_report

__all__ = ["Example", "write_predictions_page", "write_report"]
