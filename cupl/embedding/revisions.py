"""Vectors of a model that has moved on the hub since they were made."""

from __future__ import annotations

from cupl.encoders.protocol import EncoderIdentity
from cupl.errors import InputError


def another_revision(
    vectors: str, name: str, revision: str | None, encoder: EncoderIdentity, again: str
) -> InputError | None:
    """The error for vectors of another revision of the encoder's model; None where it is none.

    Args:
        vectors: what they are called.
        name: of the encoder that made them; cut short, as files come from anyone.
        revision: of that encoder.
        encoder: what they are to be used with.
        again: how to make them anew.

    """
    revisions = {revision, encoder.revision}
    if name != encoder.id or None in revisions or len(revisions) < 2:
        return None
    theirs = f"{revision!r:.100}"
    return InputError(
        f"these {vectors} were made by revision {theirs} of {name!r:.100}, and this is revision "
        f"{encoder.revision!r}: load_encoder({name!r:.100}, revision={theirs}) loads theirs; or "
        f"{again}",
        arguments={"revision": revision},
    )
