"""YAML files whose texts are texts.

YAML reads ``no``, ``0``, ``null`` and ``2012-01-01`` as something other than the words a person
wrote, keeps the last of two equal keys without a word, cuts a text at `` #``, and lets a small file
name a huge one through aliases. Here each of these is an error that names the file and the line.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cupl.errors import InputError
from cupl.io.complaints import own_words
from cupl.io.file_kinds import BY_ENDING
from cupl.io.text import read_text
from cupl.io.yaml_source import check_source, hidden_hint

MAX_DEPTH = 20
"""Lists and mappings inside one another; a bank needs five. At 100,000 libyaml crashes."""

MAX_NUMBER = 100
"""Characters of a number; reading a longer one takes time that grows with the square."""

FREE_NODES = 400_000
"""Texts, keys and lists that any file may hold; a text takes some 700 bytes, a list 2,000. A class
of a bank has six, and may have no more than forty characters."""

NODE_CHARACTERS = 20
"""Characters of a file for each further one. Banks have 40 and more, as prompts are sentences."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + kind for kind in ("str", "int", "float", "bool", "null")}

_Model = TypeVar("_Model", bound=BaseModel)


class _DepthError(yaml.MarkedYAMLError):
    """Lists and mappings lie too deeply in one another."""


class _CrowdError(Exception):
    """More nodes than a file of that size has."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader with a bound on depth and on nodes."""

    depth = 0
    left = FREE_NODES
    """How many more nodes there may be."""

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise _CrowdError
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _DepthError(problem_mark=current_node.start_mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """The safe dumper without aliases, which :func:`read_yaml` refuses."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> yaml.Node:
    style = "|" if "\n" in text.strip("\n") else '"' if "\n" in text else None
    node: yaml.Node = dumper.represent_scalar(_TAG + "str", text, style)
    return node


_Dumper.add_representer(str, _represent_text)


class NotText:
    """Stands for a value that is no text, number or list, such as a date; no schema accepts it."""


def read_yaml(path: Path, model: type[_Model], wanted: str | None = None) -> _Model:
    """Read ``path`` as a ``model``.

    Args:
        path: the file.
        model: what is in it.
        wanted: what that is called; see :func:`~cupl.io.text.read_text`.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not YAML, has a key twice, uses aliases, or does not fit the model; the
            message names the line.

    """
    text = read_text(path, wanted)
    with _explained(path, text):
        root = _compose(text)
        try:
            content = _construct(root, set())
            check_source(root, text)
            return model.model_validate(content)
        except ValidationError as error:
            kind = BY_ENDING.get(path.suffix.lower())
            if kind and wanted and not error.errors()[0]["loc"] and not isinstance(content, dict):
                raise InputError(f"this is {kind}, not {wanted}") from error
            raise InputError(_explain(error, root)) from error


def _compose(text: str) -> yaml.Node:
    most = FREE_NODES + len(text) // NODE_CHARACTERS
    # Signs of nodes, some of them in prose too: what is far beyond is not worth a parse.
    lists = min(text.count("["), text.count("]")) + min(text.count("{"), text.count("}"))
    if lists > most // 2 or text.count(",") + text.count("\n") > 2 * most:
        raise _CrowdError
    loader = _Loader(text)
    loader.left = most
    try:
        root: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    if root is None:
        raise InputError("the file is empty")
    return root


@contextlib.contextmanager
def _explained(path: Path, text: str) -> Iterator[None]:
    """What is wrong with the file, in a sentence that names it."""
    try:
        yield
    except _CrowdError as error:
        raise InputError(
            f"{path}: more lists, keys and texts than a file of {len(text):,} characters can mean"
        ) from error
    except yaml.reader.ReaderError as error:
        raise InputError(f"{path}: {_explain_character(text)}") from error
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{path}:{_explain_syntax(error, text)}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_yaml_texts(path: Path, keys: Iterable[str]) -> Any:
    """What stands under one of ``keys``, or the list or numbered mapping that the file is.

    Args:
        path: a YAML file of others.
        keys: the first that the file has counts.

    Returns:
        Lists and mappings of texts, each as it is written (``no`` is a word here, and ``0`` is);
        None where there is no such thing in the file.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not YAML, has a key twice, uses aliases, or a text in it is cut.

    """
    text = read_text(path)
    with _explained(path, text):
        root = _compose(text)
        found: yaml.Node | None = root
        if isinstance(root, yaml.MappingNode):
            under = {
                key.value: value for key, value in root.value if not isinstance(key.value, list)
            }
            wanted = next((key for key in keys if key in under), None)
            if wanted is not None:
                found = under[wanted]
            elif not under or not all(map(str.isdecimal, under)):
                found = None
        if found is None or isinstance(found, yaml.ScalarNode):
            return None
        data = _construct(found, set(), _written)
        check_source(found, text)
        return {wanted: data} if isinstance(root, yaml.MappingNode) and wanted else data


def _written(node: yaml.ScalarNode) -> str:
    return str(node.value)


def dump_yaml(data: dict[str, Any]) -> bytes:
    """UTF-8 YAML; equal data gives equal bytes.

    Raises:
        InputError: a text holds half a surrogate pair, which no file can, or is none of Python's
            own texts.

    """
    try:
        text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**16)
        return str(text).encode()
    except yaml.representer.RepresenterError as error:
        raise InputError(f"{error.args[-1]!r:.100} cannot be written as YAML") from error
    except UnicodeEncodeError as error:
        around = error.object[max(error.start - 20, 0) : error.end + 20]
        raise InputError(
            f"{around!r} cannot be written as UTF-8; take the odd character out"
        ) from error


def _construct(
    node: yaml.Node, seen: set[int], scalar: Callable[[yaml.ScalarNode], Any] | None = None
) -> Any:
    if id(node) in seen:
        raise InputError(f"line {_line(node)}: YAML aliases (*name) are not allowed; write it out")
    seen.add(id(node))
    scalar = scalar or _scalar
    if isinstance(node, yaml.ScalarNode):
        return scalar(node)
    if node.tag not in (_TAG + "seq", _TAG + "map"):
        return NotText()
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, seen, scalar) for item in node.value]
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise InputError(f"line {_line(key_node)}: {_not_text(key_node)}")
        if key in mapping:
            raise InputError(f"line {_line(key_node)}: the key {_short(key)!r} stands here twice")
        mapping[key] = _construct(value_node, seen, scalar)
    return mapping


def _scalar(node: yaml.ScalarNode) -> Any:
    if node.tag == _TAG + "str":
        return node.value
    if node.tag not in _PLAIN or len(node.value) > MAX_NUMBER:
        return NotText()
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (ValueError, KeyError):  # an explicit tag that does not fit, such as !!int abc
        return NotText()


def _explain_character(text: str) -> str:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    where = f"line {text.count(chr(10), 0, found.start()) + 1}: {found[0]!r}" if found else "it"
    return f"{where} is a character that YAML does not allow; take it out"


def _explain_syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    """Where the YAML breaks off, and in the words of the parser why."""
    mark = error.problem_mark or error.context_mark
    line = f" line {mark.line + 1}:" if mark else ""
    if isinstance(error, _DepthError) or (mark and _is_deep(text[: mark.index])):
        return f"{line} not valid YAML: nested too deeply (at most {MAX_DEPTH} in one another)"
    why = error.problem or error.context
    hint = hidden_hint(text, mark.line) if mark else ""
    return f"{line} not valid YAML: {why}{hint}"


def _is_deep(text: str) -> bool:
    """Whether the parser gave up in brackets that it read ahead, before :data:`MAX_DEPTH` saw them.

    It reads ahead for a key, which stands on one line and has at most 1,024 characters. How deep it
    goes there, and what it says of it, depends on its version.
    """
    depth = 0
    # ValueError and OverflowError: an escape beyond the last character, such as \U00110000.
    with contextlib.suppress(yaml.YAMLError, ValueError, OverflowError):
        for token in yaml.scan(text[-2048:].rpartition("\n")[2], Loader=yaml.SafeLoader):
            depth += isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken)
            depth -= isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken)
            if depth > MAX_DEPTH:
                return True
    return False


def _explain(error: ValidationError, root: yaml.Node) -> str:
    """First complaint of pydantic in the words of somebody who edits the file."""
    first = error.errors()[0]
    node, steps = _locate(root, first["loc"])
    # A complaint about the whole file names what it means; line 1 would mislead.
    line = f"line {_line(node)}: " if first["loc"] else ""
    if first["type"] == "missing":
        return f"{line}{str(first['loc'][-1])!r} is missing here"
    if first["type"] == "extra_forbidden":
        return f"{line}unknown key {_short(str(first['loc'][-1]))!r}"
    if first["type"] == "string_type":
        return f"{line}{_not_text(node)} ({steps})"
    complaint = own_words(first)
    return (
        f"{line}{complaint}" if first["type"] == "value_error" else f"{line}{complaint} ({steps})"
    )


def _not_text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "must be a text; one with a colon, brackets or braces needs 'quotes'"
    if not node.value:
        return "is empty where a text must be"
    short = _short(node.value)
    quoted = "'" + short.replace("'", "''") + "'"
    return f"{short} is not a text to YAML; write {quoted} in quotes"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _locate(node: yaml.Node, loc: tuple[int | str, ...]) -> tuple[yaml.Node, str]:
    """Deepest node on the way of ``loc``, and that way in words."""
    steps: list[str] = []
    for step in loc:
        found = next(_children(node, step), None)
        if found is not None:
            node = found
            steps.append(f"item {step + 1}" if isinstance(step, int) else _short(step))
    return node, ", ".join(steps) or "the file"


def _children(node: yaml.Node, step: int | str) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        yield node.value[step]
    elif isinstance(node, yaml.MappingNode):
        yield from (value for key, value in node.value if key.value == step)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
