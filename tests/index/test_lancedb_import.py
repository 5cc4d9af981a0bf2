"""Fresh processes: what is imported stays so."""

import subprocess
import sys

import pytest

START = """
import sys
from cupl.index.lancedb_import import import_lancedb
"""
CASES = {
    "without the clients": """
import_lancedb()
import lancedb
print("lance_namespace_urllib3_client.api" in sys.modules, callable(lancedb.connect))
""",
    "the clients afterwards": """
import_lancedb()
from lance_namespace_urllib3_client import ApiClient
from lance_namespace_urllib3_client.models import QueryTableRequest
import lancedb.namespace
print(not ApiClient, lancedb.namespace.QueryTableRequest is QueryTableRequest)
""",
    "the clients before": """
import lance_namespace_urllib3_client as before
import_lancedb()
print(before is not sys.modules["lance_namespace_urllib3_client"], "lancedb" in sys.modules)
""",
}


@pytest.mark.parametrize("case", CASES)
def test_lancedb_is_whole(case: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START + CASES[case]], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]


def test_without_it_the_import_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from cupl.index.lancedb_import import import_lancedb

    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(ImportError):
        import_lancedb()
