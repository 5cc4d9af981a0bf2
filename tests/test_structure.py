"""The order of the rooms, and each public name once; ``cupl/README.md`` is the map."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

import cupl

ROOMS = (
    "io",
    "bank",
    "llm",
    "generation",
    "encoders",
    "embedding",
    "description",
    "adaptation",
    "classification",
    "evaluation",
    "report",
    "index",
    "web",
    "cli",
)
"""In the order of the data: a room imports only those before it."""
BELOW = ("errors", "progress")
PACKAGE = Path(cupl.__file__).parent


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("cupl", cache_dir=None)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_folder_is_a_room(graph: grimp.ImportGraph) -> None:
    rooms = {room_of(module) for module in graph.modules} - {"", "__main__"}
    assert rooms == {*ROOMS, *BELOW}


def test_a_room_imports_only_those_before_it(graph: grimp.ImportGraph) -> None:
    order = [*BELOW, *ROOMS]
    backwards = [
        f"{module} imports {other}"
        for module in sorted(graph.modules)
        if room_of(module) in order
        for other in sorted(graph.find_modules_directly_imported_by(module))
        if order.index(room_of(other) or "cli") > order.index(room_of(module))
    ]
    assert backwards == []


def test_no_file_imports_itself_by_way_of_others(graph: grimp.ImportGraph) -> None:
    imports = {
        module: set(graph.find_modules_directly_imported_by(module)) - {"cupl"}
        for module in graph.modules - {"cupl"}
    }
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle: {' -> '.join(error.args[1])}")


def defined(path: Path) -> Iterator[str]:
    """Public functions, classes and constants of a file."""
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names = [node.name]
            case ast.Assign():
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                continue
        yield from (name for name in names if not name.startswith("_"))


def test_every_public_name_stands_once_in_the_package() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for name in defined(path):
            places[name].add(str(path.relative_to(PACKAGE)))
    twice = {name: sorted(files) for name, files in places.items() if len(files) > 1}
    assert twice == {}


def test_no_file_is_long() -> None:
    sources = [*PACKAGE.rglob("*.py"), *Path(__file__).parent.rglob("*.py")]
    lines = {str(path): len(path.read_text("utf-8").splitlines()) for path in sources}
    assert {name: number for name, number in lines.items() if number > 350} == {}


def test_no_module_has_the_name_of_something_on_the_surface() -> None:
    """``cupl.generate`` must not turn into a module once something imports that."""
    shadowing = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if path.stem in cupl.__all__ and path.parent.name != "cli"  # named after its command
    ]
    assert shadowing == []
