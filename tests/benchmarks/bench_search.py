"""How many of the first photos that a search finds are right, and whether they are brute force's.

``python -m tests.benchmarks.bench_search SCENES ART --photos PHOTOS --bank BANK.json``: folders
of classes; and a folder with one photo of each class of ImageNet, with a bank of those.
"""

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cupl.bank.importing import import_json
from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.template_banks import template_bank
from cupl.embedding.bank_encoding import encode_bank
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import VECTOR, paths_of, vector_matrix

TEMPLATES = {
    "names": ["{}"],
    "template": ["a photo of a {}."],
    "both": ["{}", "a photo of a {}."],
}
AWAY = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def _all(index: PhotoIndex) -> tuple[list[str], npt.NDArray[np.float32]]:
    paths, parts = list[str](), []
    for table in index.store.scan(["path", "raw_path", VECTOR]):
        paths += paths_of(table)
        parts.append(vector_matrix(table))
    matrix = np.concatenate(parts)
    return paths, matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def _in_words(folder: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", folder).lower()


def judge(index: PhotoIndex, bank: PromptBank, right: dict[str, set[str]], k: int = 10) -> str:
    """Precision and recall of the first hits, and how many lists of them are brute force's."""
    vectors = encode_bank(bank, index.encoder)
    paths, matrix = _all(index)
    found = index.search_classes(vectors, k)
    same, hits = 0, []
    for of, direction in zip(found, vectors.matrix.numpy(), strict=True):
        best = np.argsort(-(matrix @ direction), kind="stable")[:k]
        same += [paths[place] for place in best] == of.photos.paths
        hits.append([path in right[of.label.name] for path in of.photos.paths])
    sizes = np.array([len(right[of.label.name]) for of in found])
    ranks = np.array(hits)
    shares = ", ".join(
        f"@{n} {ranks[:, :n].mean():.3f} (of all {(ranks[:, :n].sum(1) / sizes).mean():.3f})"
        for n in (1, 5, 10)
    )
    return f"{shares}; {same} of {len(found)} lists as brute force has them"


def folders(place: str, into: str) -> None:
    """Precision for folders of classes, and what the weight of ``similar`` does."""
    index = PhotoIndex.open(Path(into, Path(place).name), "mini").add(place)
    paths, matrix = _all(index)
    labels = np.array([Path(path).parent.name for path in paths])
    names = sorted(set(labels.tolist()))
    right = {_in_words(one): {path for path in paths if Path(path).parent.name == one}
             for one in names}  # fmt: skip
    for name, templates in TEMPLATES.items():
        bank = template_bank([ClassLabel(one) for one in right], templates)
        print(f"{Path(place).name:8} {name:10} {judge(index, bank, right)}")
    for away in AWAY:
        print(f"{Path(place).name:8} away {away:4.2f}  {_similar(matrix, labels, names, away)}")


def _similar(
    matrix: npt.NDArray[np.float32], labels: npt.NDArray[np.str_], names: Sequence[str], away: float
) -> str:
    """Five liked photos of a class, five of another: what is among the first ten."""
    random, liked, others = np.random.default_rng(0), [], []
    for _ in range(300):
        one, other = random.choice(names, 2, replace=False)
        to, off = (random.choice(np.where(labels == c)[0], 5, replace=False) for c in (one, other))
        query = matrix[to].mean(0) - away * matrix[off].mean(0)
        scores = matrix @ (query / np.linalg.norm(query))
        scores[np.concatenate([to, off])] = -2
        first = labels[np.argsort(-scores)[:10]]
        liked.append((first == one).mean())
        others.append((first == other).mean())
    return f"of the class @10 {np.mean(liked):.3f}, of the other class {np.mean(others):.3f}"


def photos(place: str, bank_file: str, into: str) -> None:
    """A photo of each class: names and template against a bank of descriptions."""
    index = PhotoIndex.open(Path(into, "photos"), "mini").add(place)
    by_name: dict[str, set[str]] = {}
    for path in _all(index)[0]:
        by_name.setdefault(_folded(Path(path).stem.partition("_")[2]), set()).add(path)
    bank, _ = import_json(Path(bank_file))
    kept = [entry.label for entry in bank if _folded(entry.name) in by_name]
    right = {label.name: by_name[_folded(label.name)] for label in kept}
    print(f"{len(kept):,} of {len(bank.classes):,} classes have a photo")
    candidates = {name: template_bank(kept, texts) for name, texts in TEMPLATES.items()}
    candidates["CuPL bank"] = bank.select([label.name for label in kept])
    for name, one in candidates.items():
        print(f"photos   {name:10} {judge(index, one, right)}")


def _folded(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--photos")
    parser.add_argument("--bank")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for folder in given.folders:
            folders(folder, scratch)
        if given.photos:
            photos(given.photos, given.bank, scratch)
