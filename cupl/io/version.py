"""Which cupl this is."""

from importlib.metadata import PackageNotFoundError, version


def cupl_version() -> str:
    """Version of the installed package; 0 where it is not installed."""
    try:
        return version("cupl")
    except PackageNotFoundError:
        return "0"
