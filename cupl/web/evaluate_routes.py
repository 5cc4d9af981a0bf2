"""Evaluating: the bank as it stands on labelled photos, as a job; and the reports of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response
from starlette.routing import Route

from cupl.errors import InputError, MissingFileError
from cupl.progress import Progress
from cupl.web.answers import Body, ConflictError, command, query
from cupl.web.evaluation_data import LabelsFrom, labelled_photos, photos_with_vectors
from cupl.web.evaluation_reports import PAGE_OF_REPORT, REPORTS_FOLDER, SavedReport, SavedReports
from cupl.web.jobs import JobStopped
from cupl.web.label_routes import LABELS_FILE
from cupl.web.workspace import Workspace

if TYPE_CHECKING:
    from cupl.bank.model import PromptBank
    from cupl.evaluation.labelled import LabelledImages

_LABELS_SHOWN = 20
_Control = Literal["photo", "names", "random-words", "shuffled"]
_KINDS = {
    ".html": "text/html", ".json": "application/json", ".csv": "text/csv", ".md": "text/markdown",
    ".tex": "text/plain", ".svg": "image/svg+xml", ".png": "image/png",
}  # fmt: skip
_HASH = re.compile(r"(style|script)-src ('sha256-[A-Za-z0-9+/]{43}=')")
_HEAD = 2000
"""Bytes of a report in which its own policy stands."""


class MatchBody(Body):
    """Labels to match with the classes."""

    labels: LabelsFrom = "folders"


class EvaluateBody(MatchBody):
    """What is to be judged, and how; ``revision`` is that of the bank which the page shows."""

    revision: Annotated[int, Field(ge=0)]
    controls: Annotated[list[_Control], Field(max_length=4)]
    templates: Literal["none", "photo", "openai", "imagenet-simple"] = "none"
    pooling: Literal["normalized-mean", "mean", "similarity", "top"] = "normalized-mean"
    adapt: bool = False
    skip: bool = False
    saved_too: bool = False


class ReportBody(Body):
    """A report by its number."""

    report: Annotated[int, Field(ge=1, lt=10**9)]


def evaluate_routes(space: Workspace) -> list[Route]:
    """The routes of the page, and of the reports' files."""
    page = _EvaluatePage(space)
    return [
        query("/api/evaluate", page.state),
        command("/api/evaluate/match", MatchBody, page.match),
        command("/api/evaluate/start", EvaluateBody, page.start),
        query("/api/evaluate/reports/{number}", page.report),
        command("/api/evaluate/remove", ReportBody, page.remove),
        query("/reports/{number}/{name:path}", page.file),
    ]


class _EvaluatePage:
    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.reports = SavedReports(space.folder / REPORTS_FOLDER)

    def state(self, asked: Mapping[str, str]) -> dict[str, Any]:
        editor = self.space.editor
        return {
            "labels": (self.space.folder / LABELS_FILE).is_file(),
            "saved": editor is not None and editor.unsaved and editor.path.is_file(),
            "reports": self.reports.listed(),
        }

    def match(self, body: MatchBody) -> dict[str, Any]:
        """What the labels mean, before anything is started."""
        from cupl.evaluation.labelled import explain_unmatched

        bank, revision = self._bank()
        classes = [entry.label for entry in bank]
        found = labelled_photos(self.space, body.labels, classes)
        return {
            "revision": revision, "images": len(found.paths),
            "classes": len(set(found.targets)), "of": len(classes),
            "unmatched": explain_unmatched(found, classes, _LABELS_SHOWN),
            "unmatched_labels": len(found.unmatched),
            "unmatched_images": found.unmatched.total(), "notes": found.notes,
        }  # fmt: skip

    def start(self, body: EvaluateBody) -> dict[str, Any]:
        from cupl.evaluation.comparison_plan import plan_comparison
        from cupl.evaluation.labelled import check_matched
        from cupl.report.evaluating import sources_of
        from cupl.report.old_reports import check_report_place

        bank, revision = self._bank()
        if revision != body.revision:
            raise ConflictError(
                "the bank was changed meanwhile: look at what it is now, then start again"
            )
        banks = [bank, *([self._saved(bank)] if body.saved_too else [])]
        how = _compared(body)
        # Before the long work; one draw says whether there can be several.
        classes = [entry.label for entry in plan_comparison(banks, seeds=1, **how).whole]
        labelled = labelled_photos(self.space, body.labels, classes)
        check_matched(labelled, classes, body.skip)
        check_report_place(self.reports.folder, *sources_of(labelled))

        def work(progress: Progress) -> dict[str, int]:
            return {"report": self._judge(labelled, banks, how, progress).number}

        title = f"Evaluating {bank.name:.60}"
        return self.space.jobs.start("evaluate", title, work).to_dict()

    def _judge(
        self,
        labelled: LabelledImages,
        banks: list[PromptBank],
        how: dict[str, Any],
        progress: Progress,
    ) -> SavedReport:
        from cupl.report.evaluating import evaluate

        done = (0, 0)

        def note(now: int, total: int) -> None:
            nonlocal done
            done = now, total
            progress(now, total)

        images = photos_with_vectors(labelled, self.space, note)
        result = evaluate(
            images, banks, encoder=self.space.encoder, skip_unmatched=True,
            text_cache=self.space.text_cache, progress=note, **how,
        )  # fmt: skip
        progress(*done)  # once more whether it is to stop, before anything is written
        saved = self.reports.save(result, banks[0].name)
        try:
            progress(*done)  # which took seconds
        except JobStopped:
            self.reports.remove(saved.number)
            raise
        return saved

    def report(self, asked: Mapping[str, str]) -> dict[str, Any]:
        from cupl.evaluation.summary import summarize_evaluation
        from cupl.evaluation.verdict import explain_asked, verdicts

        found = self.reports.find(asked["number"])
        evaluation = found.evaluation()
        if evaluation is None:
            raise InputError("the figures of this report cannot be read: open its page")
        said = [*verdicts(evaluation), *explain_asked(evaluation)]
        return {
            "number": found.number,
            "verdicts": [{"outcome": one.outcome, "sentence": one.sentence} for one in said],
            "summary": summarize_evaluation(evaluation),
            "files": [name for name in found.files() if name.endswith((".csv", ".json", ".md"))],
        }

    def remove(self, body: ReportBody) -> dict[str, Any]:
        gone = self.reports.remove(body.report)
        return {"gone": gone, "reports": self.reports.listed()}

    def file(self, asked: Mapping[str, str]) -> Response:
        """A file of a report; none is asked for by a path, only by the name that it has there."""
        found = self.reports.find(asked["number"])
        path = found.files().get(asked["name"])
        if path is None:
            raise MissingFileError("this report has no such file")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MissingFileError("this file is there no more") from error
        return _file_response(path.name, content)

    def _bank(self) -> tuple[PromptBank, int]:
        if self.space.editor is None:
            raise InputError("there is no bank to evaluate: start cupl serve with a bank")
        return self.space.editor.snapshot()

    def _saved(self, bank: PromptBank) -> PromptBank:
        """The bank of the file, by a name of its own."""
        from cupl.bank.model import PromptBank

        assert self.space.editor is not None  # noqa: S101 (asked after _bank)
        found = PromptBank.load(self.space.editor.path)
        if found.digest == bank.digest:
            raise InputError("the bank is saved as it stands: there are no two to compare")
        return found.model_copy(update={"name": f"{bank.name} (saved)"})


def _compared(body: EvaluateBody) -> dict[str, Any]:
    """The settings as the library takes them; two banks are tested against each other, too."""
    return {
        "controls": list(dict.fromkeys(body.controls)) or None,
        "templates": () if body.templates == "none" else body.templates,
        "pooling": body.pooling, "adapt": body.adapt, "pairs": "all",
    }  # fmt: skip


def _file_response(name: str, content: bytes) -> Response:
    """A file of a report, which runs as a page of nowhere: it reaches nothing of the app's.

    Style and script are those that the report itself names by their hashes.
    """
    ending = name[name.rfind(".") :]
    policy, shown = "default-src 'none'; sandbox; frame-ancestors 'none'", "attachment"
    if name == PAGE_OF_REPORT:
        head = unescape(content[:_HEAD].decode("utf-8", "replace"))
        hashes = "".join(f"{kind}-src {digest}; " for kind, digest in _HASH.findall(head))
        policy, shown = (
            (
                f"default-src 'none'; img-src data:; {hashes}base-uri 'none'; form-action 'none'; "
                "sandbox allow-scripts; frame-ancestors 'self'"
            ),
            "inline",
        )
    headers = {
        "Content-Security-Policy": policy,
        "Content-Disposition": f'{shown}; filename="{_plain(name)}"',
        # A page of nowhere in a window of its own may not ask for one origin with its opener.
        "Cross-Origin-Opener-Policy": "unsafe-none",
    }
    return Response(content, 200, headers, _KINDS.get(ending, "application/octet-stream"))


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)
