"""Editing the files of a model."""

import json
from pathlib import Path
from typing import Any


def edit_json(file: Path, **changes: Any) -> None:
    """Change some settings of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")
