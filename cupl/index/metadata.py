"""What an index says of itself: its format, and the encoder of its vectors."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cupl.embedding.image_shards import ImageProvenance
from cupl.errors import InputError
from cupl.index.rows import Numbers

FORMAT: Literal["cupl-index/1"] = "cupl-index/1"
METADATA_KEY = "cupl"
"""Under which a store keeps it."""


class IndexMetadata(BaseModel):
    """What all vectors of an index have in common.

    Attributes:
        format: of the columns.
        provenance: the encoder.
        numbers: type of number that the vectors are kept as.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["cupl-index/1"] = FORMAT
    provenance: ImageProvenance
    numbers: Numbers = "float16"

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.provenance.dim


def parse_metadata(place: str, text: str | bytes | None) -> IndexMetadata:
    """What an index says of itself, from the JSON text in it.

    Raises:
        InputError: cupl did not make the index, another version of it did, or it is damaged.

    """
    if text is None:
        raise InputError(f"{place} is no index of photos that cupl made")
    try:
        return IndexMetadata.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"{place} was made by another version of cupl ({FORMAT} is what this one reads), or is "
            "damaged: update cupl, or make the index again in another place"
        ) from error
