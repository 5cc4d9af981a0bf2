"""Names of encoders that say what kind they are, and the paths in them."""

OPEN_CLIP_PREFIX = "open_clip:"
"""What names of models of open_clip begin with."""


def split_path(name: str) -> tuple[str, str]:
    """The name of an encoder as what stands before a path in it, and the rest.

    Of ``open_clip:ViT-B-32//models/mine.pt`` the path is ``/models/mine.pt``; of a name without a
    kind, all of it is the rest.
    """
    if not name.startswith(OPEN_CLIP_PREFIX):
        return "", name
    slash = name.find("/")
    if slash == len(OPEN_CLIP_PREFIX):  # a directory
        return OPEN_CLIP_PREFIX, name[slash:]
    head, _, path = name.partition("//")
    return (f"{head}/", f"/{path}") if path else (name, "")
