"""The reports of evaluations on disk: listed, opened and deleted by their numbers."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.errors import CuplError, InputError, MissingFileError
from cupl.io.atomic import make_folder
from cupl.io.locks import taking_turns
from cupl.io.reasons import reason
from cupl.report.file_names import file_names
from cupl.report.old_reports import report_files

if TYPE_CHECKING:
    from cupl.evaluation.schema import Evaluation
    from cupl.report.evaluating import EvaluationResult

REPORTS_FOLDER = "reports"
PAGE_OF_REPORT = "report.html"
_FOLDER = re.compile(r"([1-9][0-9]{0,8})-[\w.-]+")
_DIGITS = 9


@dataclass(frozen=True)
class SavedReport:
    """A report on disk.

    Attributes:
        number: that a request names it by.
        folder: that it lies in.

    """

    number: int
    folder: Path

    def evaluation(self) -> Evaluation | None:
        """Its figures; None where the file is not there, or of another version of cupl."""
        from pydantic import ValidationError

        from cupl.evaluation.schema import Evaluation
        from cupl.io.json import read_json

        try:
            return Evaluation.model_validate(read_json(self.folder / "evaluation.json"))
        except (CuplError, ValidationError):
            return None

    def files(self) -> dict[str, Path]:
        """What can be read of it, by name: its own files, and no link to another one."""
        real = Path(os.path.realpath(self.folder))
        found = {path.relative_to(self.folder).as_posix(): path for path in _own_files(self.folder)}
        return {
            name: path
            for name, path in found.items()
            if os.path.realpath(path) == str(real / name) and path.is_file()
        }


class SavedReports:
    """All reports in a folder, which is made when the first one is written.

    Args:
        folder: of the reports.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._last = 0
        self._told: dict[Path, tuple[Any, dict[str, Any]]] = {}

    def listed(self) -> list[dict[str, Any]]:
        """What a page shows of each, the newest first."""
        found = sorted(self._all(), key=lambda one: one.number, reverse=True)
        return [self._told_of(one) for one in found]

    def find(self, asked: str | int) -> SavedReport:
        """The report of that number.

        Raises:
            MissingFileError: there is none.

        """
        text = str(asked)
        if text.isascii() and text.isdecimal() and len(text) <= _DIGITS:
            for one in self._all():
                if one.number == int(text):
                    return one
        raise MissingFileError(f"there is no report {text[:20]!r}")

    def save(self, result: EvaluationResult, name: str) -> SavedReport:
        """Write the report of an evaluation into a new folder.

        Args:
            result: what was found out.
            name: of the bank.

        Raises:
            InputError: it cannot be written; nothing is left of it then.

        """
        report = self._new(file_names([name])[0])
        try:
            result.save_report(report.folder)
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(report.folder)
            raise
        return report

    def remove(self, number: int) -> bool:
        """Delete a report; whether its folder is gone, too, as nothing else was in it.

        Raises:
            MissingFileError: there is none, or somebody else has deleted it.
            InputError: a file cannot be deleted.

        """
        with self._lock:
            report = self.find(number)
            self._last = max(self._last, number)  # it is never another report's
            try:
                return _remove(report.folder)
            except OSError as error:
                raise InputError(f"cannot delete the report: {reason(error)}") from error

    def _new(self, name: str) -> SavedReport:
        make_folder(self.folder)
        with self._lock, _as_input_error(self.folder), taking_turns(self.folder):
            taken = [number for number, _ in self._folders()]
            self._last = max([self._last, *taken]) + 1
            folder = self.folder / f"{self._last}-{name}"
            folder.mkdir()
            return SavedReport(self._last, folder)

    def _all(self) -> Iterator[SavedReport]:
        """Those that are whole: the page is written last."""
        for number, folder in self._folders():
            if (folder / PAGE_OF_REPORT).is_file():
                yield SavedReport(number, folder)

    def _folders(self) -> Iterator[tuple[int, Path]]:
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    found = _FOLDER.fullmatch(entry.name)
                    if found and entry.is_dir(follow_symlinks=False):
                        yield int(found[1]), Path(entry.path)
        except OSError:
            return

    def _told_of(self, report: SavedReport) -> dict[str, Any]:
        try:
            found = (report.folder / "evaluation.json").stat()
            version = found.st_mtime_ns, found.st_size
        except OSError:
            version = None
        before, told = self._told.get(report.folder, (None, {}))
        if before != version or not told:
            told = _in_short(report)
            self._told[report.folder] = version, told
        return told


def _in_short(report: SavedReport) -> dict[str, Any]:
    evaluation = report.evaluation()
    short: dict[str, Any] = {"number": report.number, "name": report.folder.name.partition("-")[2]}
    if evaluation is None or not evaluation.banks:
        return {**short, "date": None, "images": 0, "classes": 0, "accuracy": None}
    bank = evaluation.banks[0]
    return {
        **short, "name": bank.name,
        "date": evaluation.made_by and evaluation.made_by.date,
        "images": evaluation.images, "classes": evaluation.classes,
        "accuracy": {"value": bank.top1.value, "low": bank.top1.low, "high": bank.top1.high},
    }  # fmt: skip


def _own_files(folder: Path) -> list[Path]:
    from cupl.report.files import FIGURES

    figures = [folder / "figures" / f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")]
    return [*report_files(folder), *(path for path in figures if os.path.lexists(path))]


def _remove(folder: Path) -> bool:
    """Delete what is a report's, its page first, and the folder where nothing else is in it."""
    for path in SavedReport(0, folder).files().values():
        path.unlink(missing_ok=True)
    for empty in (folder / "figures", folder):
        with contextlib.suppress(OSError):
            empty.rmdir()
    return not folder.exists()


@contextlib.contextmanager
def _as_input_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {reason(error, folder)}") from error
