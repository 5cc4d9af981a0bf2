"""How diskcache lays down what cupl caches: text and bytes as they are, and never a pickle."""

from __future__ import annotations

from typing import Any, ClassVar

import diskcache


class PlainDisk(diskcache.Disk):  # type: ignore[misc]
    """Keys are text and values of one type; pickles are neither written nor read (CVE-2025-69872).

    A cache says in a subclass what it is called and what its values are.
    """

    cache: ClassVar[str]
    value: ClassVar[type]
    value_name: ClassVar[str]

    def put(self, key: Any) -> Any:
        if not isinstance(key, str):
            raise TypeError(f"keys of {self.cache} are text")
        return super().put(key)

    def get(self, key: Any, raw: bool) -> Any:
        if not raw:
            raise ValueError(f"{self.cache} holds a pickled key")
        return super().get(key, raw)

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> Any:
        if read or not isinstance(value, self.value):
            raise TypeError(f"values of {self.cache} are {self.value_name}")
        return super().store(value, read, key=key)

    def fetch(self, mode: int, filename: Any, value: Any, read: bool) -> Any:
        if mode != diskcache.core.MODE_RAW or not isinstance(value, self.value):
            raise ValueError(f"{self.cache} holds a value that is not {self.value_name}")
        return value
