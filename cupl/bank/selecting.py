"""Some of the classes of a bank, by any of their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cupl.bank.class_prompts import ClassPrompts
from cupl.bank.labels import ClassLabel, several_names
from cupl.bank.lookup import ClassIndex
from cupl.errors import InputError


class UnknownClassError(InputError, KeyError):
    """A name that means none of the classes, or may mean several."""

    __str__ = Exception.__str__  # a KeyError's would be in quotes


class ClassSelector:
    """Finds classes of a bank by name, id or alias; see :class:`~cupl.bank.lookup.ClassIndex`.

    Args:
        classes: of the bank.
        bank: its name, for errors.

    """

    def __init__(self, classes: Sequence[ClassPrompts], bank: str) -> None:
        self._classes, self._bank = classes, bank
        self._index = ClassIndex([entry.label for entry in classes])

    def __contains__(self, name: str) -> bool:
        return self._index.find(name) is not None

    def find(self, name: str | ClassLabel) -> int:
        """The number of a class.

        Raises:
            UnknownClassError: the name means none, or may mean several.

        """
        if isinstance(name, ClassLabel):
            number, text = self._index.find_label(name), str(name)
        elif isinstance(name, str):
            number, text = self._index.find(name), name
        else:
            raise InputError(f"a class of a bank is found by its name or id, not by {name!r:.80}")
        if number is None:
            hint = self._index.hint(name.name if isinstance(name, ClassLabel) else name)
            raise UnknownClassError(
                f"the bank {self._bank!r:.100} has no class {text!r:.100}"
                + (f": {hint}" if hint else "")
            )
        return number

    def take(self, names: Iterable[str | ClassLabel]) -> list[ClassPrompts]:
        """The classes of these names in their order, each once.

        Raises:
            UnknownClassError: as :meth:`find`.
            InputError: there is no name, or they are one text.

        """
        numbers = list(dict.fromkeys(self.find(name) for name in several_names(names)))
        if not numbers:
            raise InputError("no classes: name at least one")
        return [self._classes[number] for number in numbers]

    def split(self, text: str) -> list[str]:
        """The names of a list that is separated by commas, which may be in a name as well.

        As many pieces as mean a class together are one name: with a class "rock, paper",
        ``rock, paper,cup`` are two.
        """
        pieces, names = text.split(","), list[str]()
        while pieces:
            ends = range(len(pieces), 0, -1)
            joined = ((end, ",".join(pieces[:end]).strip()) for end in ends)
            end, name = next((one for one in joined if one[1] in self), (1, pieces[0].strip()))
            names += [name] if name else []
            pieces = pieces[end:]
        return names
