"""What an index says of itself: its format, and the encoder of its vectors."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cupl.embedding.image_shards import ImageProvenance
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.index.rows import Numbers
from cupl.io.terminal import printable

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

    def check_encoder(self, encoder: Encoder, place: str) -> None:
        """Accept only the encoder of the vectors.

        Args:
            encoder: that is to be used with the index.
            place: of the index.

        Raises:
            InputError: it is another one.

        """
        self.provenance.check_encoder(
            encoder, f"make another index (this one is {printable(place):.200})"
        )

    def check_vectors(self, made_by: ImageProvenance, source: str) -> None:
        """Accept only vectors of the same encoder.

        Args:
            made_by: the encoder of some vectors.
            source: where these are.

        Raises:
            InputError: it is another one.

        """
        ours = self.provenance
        if (made_by.fingerprint, made_by.dim) != (ours.fingerprint, ours.dim):
            raise InputError(
                f"the vectors in {printable(source):.200} were made by {made_by}, and those of the "
                f"index by {ours}: make another index for them, or embed with that encoder"
            )


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
