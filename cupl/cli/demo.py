"""``cupl demo``: the whole way on real photographs, with nothing but installed packages."""


def demo() -> None:
    """x"""
