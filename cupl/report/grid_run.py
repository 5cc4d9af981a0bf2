"""Several encoders and several data sets in one call."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cupl.embedding.text_cache import TextCache
from cupl.encoders.joined_names import change_paths
from cupl.encoders.loading import named_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import CuplError, InputError
from cupl.evaluation.candidate_spec import CandidateSpec, SpecSource, listed_specs
from cupl.evaluation.comparison_plan import plan_comparison
from cupl.evaluation.grid import EvaluationGrid, GridCell
from cupl.evaluation.labelled import LabelledImages, check_matched, keep_classes
from cupl.io.arguments import several
from cupl.progress import Progress, ignore
from cupl.report.evaluating import DataSource, evaluate, read_data, sources_of, usual_encoder
from cupl.report.file_names import file_names
from cupl.report.grid_files import clear_grid, write_grid
from cupl.report.old_reports import check_report_place

PLACE = "{}"
"""In a part of a candidate it stands for the name of the data set."""
Shown = Callable[[str, str, int], AbstractContextManager[Progress]]
_OF_THE_PLAN = (
    "controls", "seeds", "reference", "pairs", "templates", "pooling", "adapt", "classes",
)  # fmt: skip
_OF_THE_ENCODER = ("revision", "device", "precision", "batch_size")


@dataclass(frozen=True, eq=False)
class _DataSet:
    """Labelled images, what is judged on them, and their name."""

    name: str
    images: LabelledImages
    candidates: list[CandidateSpec | str]


def evaluate_grid(
    data: Mapping[str, DataSource] | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    banks: Any = (),
    *,
    candidates: SpecSource | Sequence[SpecSource] = (),
    encoders: Encoder | str | os.PathLike[str] | Sequence[Encoder | str | os.PathLike[str]] = (),
    output: str | os.PathLike[str] | None = None,
    scores: bool = False,
    all_files: bool = False,
    skip_unmatched: bool = False,
    text_cache: TextCache = None,
    shown: Shown = lambda *_: nullcontext(ignore),
    told: Callable[[str], object] = ignore,
    **settings: Any,
) -> EvaluationGrid:
    """Judge the same candidates with several encoders on several data sets.

    Images are encoded once with each encoder, and so are prompts, whatever data sets share them.
    Everything is read and every encoder loaded once before the long work begins.

    ::

        grid = cupl.evaluate_grid(
            ["pets/", "food/"],
            candidates=["CuPL=banks/{}.yaml", "both=banks/{}.yaml+photo"],
            encoders=["openai/clip-vit-base-patch32", "openai/clip-vit-large-patch14"],
            output="report/",
        )
        pandas.DataFrame(grid.to_records())

    Args:
        data: data sets, as for :func:`~cupl.report.evaluating.evaluate`, by the names that they
            have in tables; or folders and files, which are called by their own.
        banks: banks that all data sets have; their labels are matched with the classes of these.
        candidates: as for :func:`~cupl.report.evaluating.evaluate`; ``{}`` in a part is the name of
            the data set, for banks of its own.
        encoders: encoders or their names. By default the usual one of each data set.
        output: a directory. Each report is written into ``ENCODER/DATA`` below it as soon as it is
            done, and in the end an overview beside them.
        scores: as for ``EvaluationResult.save_report``.
        all_files: as for :func:`~cupl.report.evaluating.evaluate`.
        skip_unmatched: as for :func:`~cupl.report.evaluating.evaluate`.
        text_cache: as for :func:`~cupl.report.evaluating.evaluate`; with False, too, no prompt is
            embedded twice.
        shown: called with the names of encoder and data set and the number of images to encode, it
            gives what is told of the progress.
        told: called with a sentence on each kind of thing in the data that was passed over.
        **settings: all others of :func:`~cupl.report.evaluating.evaluate`.

    Raises:
        CuplError: something cannot be loaded or does not fit; before the long work, with the name
            of the data set.

    """
    if scores and output is None:
        raise InputError("scores are written beside a report", arguments={"output": ...})
    encoders = several(encoders)
    sets = _data_sets(data, banks, candidates, settings, all_files, skip_unmatched)
    loading = {name: settings[name] for name in _OF_THE_ENCODER if name in settings}
    for one in sets:
        for note in one.images.notes:
            told(f"{one.name}: {note}")
    if output is not None:
        for one in sets:
            check_report_place(Path(output), *sources_of(one.images))
    _check_encoders(sets, encoders, loading)
    cells, names = list[GridCell](), dict[str, str]()
    folders = dict(
        zip((one.name for one in sets), file_names([one.name for one in sets]), strict=True)
    )
    used = {"labels", *_OF_THE_ENCODER}
    with ExitStack() as stack:
        if text_cache is False:
            text_cache = stack.enter_context(tempfile.TemporaryDirectory(prefix="cupl-"))
        for encoder, of in _encoders(sets, encoders, loading):
            name = _name(encoder, names)
            for one in of:
                pictures = len(one.images.paths) if one.images.vectors is None else 0
                with shown(name, one.name, pictures) as progress:
                    result = evaluate(
                        one.images, banks, candidates=one.candidates, encoder=encoder,
                        skip_unmatched=True, text_cache=text_cache, progress=progress,
                        **{key: value for key, value in settings.items() if key not in used},
                    )  # fmt: skip
                folder = None
                if output is not None:
                    if not cells:
                        clear_grid(Path(output))
                    folder = f"{_folder(name, names)}/{folders[one.name]}"
                    result.save_report(Path(output, folder), scores=scores)
                # The image vectors of all cells would fill the memory.
                cells.append(GridCell(name, one.name, result.figures, folder))
    grid = EvaluationGrid(cells)
    if output is not None:
        write_grid(grid, Path(output))
    return grid


def _data_sets(
    data: Any,
    banks: Any,
    candidates: SpecSource | Sequence[SpecSource],
    settings: Mapping[str, Any],
    all_files: bool,
    skip_unmatched: bool,
) -> list[_DataSet]:
    named = _named_sets(data)
    if not named:
        raise InputError("name at least one data set")
    compared = {name: settings[name] for name in _OF_THE_PLAN if name in settings}
    specs = listed_specs(candidates)
    sets = []
    for name, source in named.items():
        own = [for_data_set(one, name) for one in specs]
        with _named(name, len(named)):
            plan = plan_comparison(banks, own, **compared | {"seeds": 1})
            every = [entry.label for entry in plan.whole]
            images = read_data(source, every, settings.get("labels"), all_files)
            check_matched(images, every, skip_unmatched)
            keep_classes(images, plan.whole, plan.first)  # whether there are some
        sets.append(_DataSet(name, images, own))
    return sets


def _named_sets(data: Any) -> Mapping[str, DataSource]:
    """Data sets by name; a single folder or file is a list of one.

    Raises:
        InputError: one that has no name is neither a folder nor a file.

    """
    if isinstance(data, Mapping):
        return data
    paths = several(data, LabelledImages)
    if wrong := [one for one in paths if not isinstance(one, str | os.PathLike)][:1]:
        raise InputError(
            "data sets are folders and files, or a dict that names each, such as {'pets': (images, "
            f"labels)}}, not {type(wrong[0]).__name__}"
        )
    return dict(zip(data_names(paths), paths, strict=True))


@contextmanager
def _named(name: str, number: int) -> Iterator[None]:
    """An error about one of several data sets says which."""
    try:
        yield
    except CuplError as error:
        if number > 1:
            error.args = (f"{name}: {error}", *error.args[1:])
        raise


def data_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """What data sets are called: the end of each path that tells it from the others."""
    parts = [Path(os.path.abspath(path)).with_suffix("").parts for path in paths]  # noqa: PTH100
    names: list[tuple[str, ...]] = [("data",)] * len(parts)
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = [one[-length:] for one in parts]
        if len(set(names)) == len(names):
            break
    return file_names(["-".join(one) for one in names])


def for_data_set(candidate: CandidateSpec | str, name: str) -> CandidateSpec | str:
    """The candidate of one data set, whose name takes the place of ``{}``.

    Raises:
        InputError: it has no name, and would have another with every data set.

    """
    spec = CandidateSpec.parse(candidate) if isinstance(candidate, str) else candidate
    texts = [part for part in spec.parts if isinstance(part, str) and PLACE in part]
    if not texts:
        return candidate
    if spec.name is None:
        raise InputError(
            f"the candidate {texts[0]!r:.100} has a bank for each data set: give it a name, such "
            f"as own={texts[0]:.100}"
        )
    parts = [part.replace(PLACE, name) if isinstance(part, str) else part for part in spec.parts]
    return replace(spec, parts=tuple(parts))


def _check_encoders(
    sets: Sequence[_DataSet], encoders: Sequence[Any], loading: Mapping[str, Any]
) -> None:
    """Load every encoder, and let go of it again: several may not fit into memory together."""
    if len(sets) * len(encoders) == 1:
        return
    for encoder, of in _encoders(sets, encoders, loading):
        for one in of:
            if one.images.provenance is not None:
                with _named(one.name, len(sets)):
                    one.images.provenance.check_encoder(encoder)


def _encoders(
    sets: Sequence[_DataSet], encoders: Sequence[Any], loading: Mapping[str, Any]
) -> Iterator[tuple[Encoder, Sequence[_DataSet]]]:
    """Each encoder with the data sets that it is for, one in memory at a time."""
    if not encoders:
        for one in sets:
            yield usual_encoder(one.images, **loading), [one]
    for encoder in dict.fromkeys(encoders):
        yield named_encoder(encoder, **loading), sets


def _folder(name: str, names: Mapping[str, str]) -> str:
    """Of an encoder, by its name among those that were given."""
    given = list(names.values())
    return file_names(given)[given.index(name)]


def _last_part(path: str) -> str:
    return Path(path).resolve().name if os.path.exists(path) else path  # noqa: PTH110


def _name(encoder: Encoder, names: dict[str, str]) -> str:
    """Of a model of the hub all of it, of a path its last part; another for each encoder.

    Args:
        encoder: whose name is wanted.
        names: those that were given, by fingerprint and precision; this one is added.

    """
    plain = change_paths(encoder.id, _last_part)
    key = f"{encoder.fingerprint} {encoder.precision}"
    number = sum(one.split(" (")[0] == plain for one in names.values()) + 1
    return names.setdefault(key, plain if number == 1 else f"{plain} ({number})")
