"""A model hub on this machine, for the tests that name it."""

from tests.hub import hub, hub_cache, no_network

__all__ = ["hub", "hub_cache", "no_network"]
