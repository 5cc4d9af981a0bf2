"""Results as pages and pictures that a person looks at."""

from cupl.report.examples import Example
from cupl.report.files import write_predictions_page, write_report
from cupl.report.page import MOST_IMAGES

__all__ = ["MOST_IMAGES", "Example", "write_predictions_page", "write_report"]
