"""Import LanceDB without the clients of a REST service that come with it.

``lancedb`` needs the types that such a service answers with; the package that has them imports all
its clients as well, which takes longer than the rest of LanceDB.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

_SERVICE = "lance_namespace_urllib3_client"


def import_lancedb() -> None:
    """Import ``lancedb``, where that was not done yet.

    The service's package is left to be imported as a whole by those who want its clients.
    """
    spec = None if _SERVICE in sys.modules else importlib.util.find_spec(_SERVICE)
    if spec is None or spec.submodule_search_locations is None:
        importlib.import_module("lancedb")
        return
    bare = ModuleType(_SERVICE)
    bare.__spec__, bare.__path__ = spec, list(spec.submodule_search_locations)
    sys.modules[_SERVICE] = bare
    try:
        importlib.import_module("lancedb")
    except ImportError:  # another version needs more of it
        del sys.modules[_SERVICE]
        importlib.import_module("lancedb")
    finally:
        if sys.modules.get(_SERVICE) is bare:
            del sys.modules[_SERVICE]
