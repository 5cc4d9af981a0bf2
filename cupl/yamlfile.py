"""YAML files whose texts are texts.

YAML reads ``no``, ``0``, ``null`` and ``2012-01-01`` as something other than the words a person
wrote, keeps the last of two equal keys without a word, and lets a small file name a huge one
through aliases. Here each of these is an error that names the file and the line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cupl.errors import InputError, MissingFileError

MAX_BYTES = 200_000_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + kind for kind in ("str", "int", "float", "bool", "null")}

Model = TypeVar("Model", bound=BaseModel)


class NotText:
    """Stands for a value that is no text, number or list, such as a date; no schema accepts it."""


def read_text(path: Path) -> str:
    """Text of a UTF-8 file of bounded size.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is a folder, unreadable, too large or not UTF-8.

    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read ``path`` as a ``model``.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not YAML, has a key twice, uses aliases, or does not fit the model; the
            message names the line.

    """
    try:
        root = yaml.compose(read_text(path), Loader=_LOADER)
        if root is None:
            raise InputError(f"{path}: the file is empty")
        data = _construct(root, path, set())
    except yaml.reader.ReaderError as error:
        raise InputError(
            f"{path}: holds a character YAML does not allow ({error.reason})"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}:" if mark else ""
        raise InputError(
            f"{path}:{line} not valid YAML: {error.problem or error.context}"
        ) from error
    except (RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not valid YAML: nested too deeply or damaged") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error, root)}") from error


def dump_yaml(data: dict[str, Any]) -> bytes:
    """UTF-8 YAML; equal data gives equal bytes."""
    text = yaml.dump(data, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=2**16)
    return str(text).encode()


def _construct(node: yaml.Node, path: Path, seen: set[int]) -> Any:
    if id(node) in seen:
        raise InputError(f"{path}: line {_line(node)}: YAML aliases (*name) are not allowed")
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if node.tag not in (_TAG + "seq", _TAG + "map"):
        return NotText()
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, path, seen) for item in node.value]
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError(f"{path}: line {_line(key_node)}: a key must be a plain text")
        key = _scalar(key_node)
        if key in mapping:
            raise InputError(f"{path}: line {_line(key_node)}: the key {key!r} stands here twice")
        mapping[key] = _construct(value_node, path, seen)
    return mapping


def _scalar(node: yaml.ScalarNode) -> Any:
    if node.tag not in _PLAIN:
        return NotText()
    if node.tag == _TAG + "str":
        return node.value
    constructor = yaml.SafeLoader("")
    try:
        return constructor.construct_object(node)  # type: ignore[no-untyped-call]
    except ValueError:
        return NotText()


def _explain(error: ValidationError, root: yaml.Node) -> str:
    """First complaint of pydantic in the words of somebody who edits the file."""
    first = error.errors()[0]
    node, steps = _locate(root, first["loc"])
    # A complaint about the whole file names what it means; line 1 would mislead.
    line = f"line {_line(node)}: " if first["loc"] else ""
    if first["type"] == "missing":
        return f"{line}{str(first['loc'][-1])!r} is missing here"
    if first["type"] == "extra_forbidden":
        return f"{line}unknown key {str(first['loc'][-1])!r}"
    if first["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"{line}must be keys with values ({steps})"
    if first["type"] == "string_type" and isinstance(node, yaml.ScalarNode):
        quoted = "'" + node.value.replace("'", "''") + "'"
        written = node.value or "nothing"
        return f"{line}{written} is not a text to YAML; write {quoted} in quotes ({steps})"
    message = first["msg"].removeprefix("Value error, ")
    return f"{line}{message}" + ("" if first["type"] == "value_error" else f" ({steps})")


def _locate(node: yaml.Node, loc: tuple[int | str, ...]) -> tuple[yaml.Node, str]:
    """Deepest node on the way of ``loc``, and that way in words."""
    steps: list[str] = []
    for step in loc:
        if step == "[key]":
            break
        found = next(_children(node, step), None)
        if found is None:
            continue
        key, value = found
        node = key if loc[-1] == "[key]" and step == loc[-2] else value
        steps.append(str(step) if isinstance(step, str) else f"item {step + 1}")
    return node, ", ".join(steps) or "the file"


def _children(node: yaml.Node, step: int | str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        yield node.value[step], node.value[step]
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(_scalar(key)) == str(step):
                yield key, value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
