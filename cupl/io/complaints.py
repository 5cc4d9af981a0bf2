"""What pydantic complains of, in the words of somebody who edits a file."""

from collections.abc import Mapping
from typing import Any

_COMPLAINTS = {
    "value_error": "{error}",
    "model_type": "must be keys with values",
    "model_attributes_type": "must be keys with values",
    "dict_type": "must be keys with values",
    "list_type": "must be a valid list",
    "tuple_type": "must be a valid list",
    "string_type": "must be a text",
    "int_type": "must be a valid integer",
    "int_parsing": "must be a valid integer",
    "int_from_float": "must be a valid integer",
    "float_type": "must be a valid number",
    "float_parsing": "must be a valid number",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
}
"""What to say of pydantic's errors, by their types."""


def own_words(complaint: Mapping[str, Any]) -> str:
    """What one of pydantic's errors complains of: by its type, as its wording may change."""
    words = _COMPLAINTS.get(complaint["type"])
    return words.format(**complaint.get("ctx", {})) if words else str(complaint["msg"])
