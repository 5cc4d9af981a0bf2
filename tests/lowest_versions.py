"""Are the lower bounds in pyproject.toml true? ``python -m tests.lowest_versions``

Makes a virtual environment in a temporary folder with the lowest version of every dependency and
runs the tests named below in it. The bound of torch is the exception: PyPI has CUDA builds of it
only, several GB each, so where ``.ci/constraints.txt`` (or ``$PIP_CONSTRAINT``) pins a CPU build,
that one is taken.
"""

import os
import re
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
CONSTRAINTS = Path(os.environ.get("PIP_CONSTRAINT") or ROOT / ".ci" / "constraints.txt")
TOOLS = ("hypothesis", "pytest", "pytest-xdist")
TESTS = (
    "tests/cli/test_whole_way.py",
    "tests/bank",
    "tests/classification/test_negative_words.py",
    "tests/compatibility",
    "tests/embedding/test_extra_formats.py",
    "tests/encoders",
    "tests/io",
    "tests/llm",
)
WITHOUT = (
    "--ignore=tests/encoders/test_mini.py",
    "--ignore=tests/encoders/test_sentences.py",
    "--ignore=tests/llm/test_mini.py",
    "--ignore=tests/encoders/test_bridge.py",
    "--ignore=tests/encoders/test_classifiers.py",
    "--ignore=tests/encoders/test_pair.py",
    "--ignore=tests/encoders/test_sentence_tower.py",
    "--ignore-glob=tests/encoders/test_open_clip*",
)
"""The models of the extra ``mini`` are pinned, and libraries of other extras need not be here."""

_BOUND = re.compile(r"([A-Za-z0-9_.-]+)>=([0-9.]+)")
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


def lowest(dependencies: list[str], pinned: dict[str, str]) -> Iterator[str]:
    """``name>=1.2`` as ``name==1.2``, or as it is pinned."""
    for dependency in dependencies:
        found = _BOUND.fullmatch(dependency)
        if not found:
            sys.exit(f"{dependency!r} has no lower bound that can be read")
        name, bound = found.groups()
        yield f"{name}=={pinned.get(name, bound)}"


def main() -> int:
    """Install and test; returns the exit code of pytest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = dict(_PIN.findall(CONSTRAINTS.read_text("utf-8")))
    extras = project["optional-dependencies"]
    wanted = list(lowest([*project["dependencies"], *extras["formats"], *extras["words"]], pinned))
    print("lowest versions:", *wanted, flush=True)
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True, symlinks=True)
        python = str(Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted, *TOOLS], check=True)
        print(f"installed in {time.monotonic() - began:.0f} s", flush=True)
        tests = [
            python,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--disable-warnings",
            "-n",
            "2",
            *WITHOUT,
            *TESTS,
        ]
        here = os.environ | {"PYTHONPATH": str(ROOT)}
        code = subprocess.run(tests, check=False, cwd=ROOT, env=here).returncode
    print(f"lower bounds: exit code {code} after {time.monotonic() - began:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
