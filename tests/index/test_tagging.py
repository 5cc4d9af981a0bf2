from collections.abc import Callable

import numpy as np
import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import COLUMNS, PhotoRow, rows_of
from cupl.index.store import PhotoStore
from cupl.index.tagging import all_paths, clear_tags, tag_rows, tag_rule
from tests.index.conftest import fill, photo_row, random_vectors

NewStore = Callable[[], PhotoStore]
NAMES = ["cat", 'dog "&', "🐸"]


def classifier(names: list[str] = NAMES) -> ZeroShotClassifier:
    made = ClassVectors.from_arrays(names, random_vectors(len(names), seed=9), fingerprint="abc")
    return ZeroShotClassifier(made)


def rows(store: PhotoStore) -> dict[str, PhotoRow]:
    return {row.path: row for table in store.scan(COLUMNS) for row in rows_of(table)}


def test_every_photo_gets_its_classes_and_loses_them(new_store: NewStore) -> None:
    store, ours = new_store(), classifier()
    fill(store, [photo_row(number, date="2024-01-01 00:00:00") for number in range(20)])
    before = rows(store)
    limits = dict.fromkeys(NAMES, 0.1)
    rule = tag_rule(ours, class_thresholds=limits)
    found = {one.path: one for one in tag_rows(store, ours, rule)}
    expected = ours.predict_vectors(random_vectors(20), multi_label=True, class_thresholds=limits)
    after = rows(store)
    for number, one in enumerate(expected):
        path = photo_row(number).path
        labels = sorted(one.labels, key=lambda score: -score.score)
        assert [s.label for s in found[path].labels] == [s.label for s in labels]
        assert after[path].tags == tuple(score.label for score in labels)
        assert after[path].label == (labels[0].label if labels else None)
        assert after[path].date == before[path].date
    tagged = [path for path, row in after.items() if row.tags]
    assert 0 < len(tagged) < 20
    assert sorted(all_paths(store)) == sorted(after)
    assert clear_tags(store, but=set(tagged[1:]), dry_run=True) == 1
    assert clear_tags(store, dry_run=True) == len(tagged)
    assert clear_tags(store) == len(tagged)
    assert rows(store) == before
    assert clear_tags(store) == 0


def test_a_dry_run_writes_nothing(new_store: NewStore) -> None:
    store = new_store()
    fill(store, [photo_row(number) for number in range(5)])
    found = list(tag_rows(store, classifier(), tag_rule(classifier(), top=2), dry_run=True))
    assert [len(one.labels) for one in found] == [2] * 5
    assert not any(row.tags for row in rows(store).values())


def test_the_index_in_python(new_store: NewStore) -> None:
    library = PhotoIndex(new_store())
    fill(library.store, [photo_row(number) for number in range(5)])
    assert len(library.tag(classifier(), top=1)) == 5
    assert library.untag() == 5


def test_other_class_vectors_are_refused(new_store: NewStore) -> None:
    store = new_store()
    other = ZeroShotClassifier(ClassVectors.from_arrays(["a", "b"], np.eye(2)))
    with pytest.raises(InputError):
        next(tag_rows(store, other, tag_rule(other, top=1)))


def test_what_is_a_tag_has_to_be_said() -> None:
    with pytest.raises(InputError, match="do not say by themselves") as raised:
        tag_rule(classifier())
    assert set(raised.value.arguments) == {"examples", "class_thresholds", "reject", "top"}
    with pytest.raises(InputError, match="top is 0"):
        tag_rule(classifier(), top=0)
    limits = dict.fromkeys(NAMES, -1.0)
    vectors = random_vectors(3)
    for rule, most in (
        (tag_rule(classifier(), top=2), 2),
        (tag_rule(classifier(), class_thresholds=limits), 3),
        (tag_rule(classifier(), class_thresholds=limits, top=1), 1),
    ):
        found = classifier().predict_vectors(
            vectors, rule.top_k, multi_label=rule.decision.multi_label,
            class_thresholds=rule.decision.class_thresholds,
        )  # fmt: skip
        assert [len(rule.tagged(one).labels) for one in found] == [most] * 3


def test_the_tag_of_the_highest_cosine_is_the_first() -> None:
    ours, image = classifier(), random_vectors(1)
    scores = {one.label: one.score for one in ours.predict_vectors(image, 3)[0].top}
    order = sorted(scores, key=lambda name: -scores[name])
    limits = {name: scores[name] - 0.1 * (place + 1) for place, name in enumerate(order)}
    rule = tag_rule(ours, class_thresholds={n: max(-1.0, c) for n, c in limits.items()}, top=2)
    (found,) = ours.predict_vectors(
        image, 1, multi_label=True, class_thresholds=rule.decision.class_thresholds
    )
    assert [one.label for one in found.labels] == order[::-1]
    tagged = rule.tagged(found)
    assert [one.label for one in tagged.labels] == order[:2]
    assert tagged.label == order[0]
    (none,) = ours.predict_vectors(
        image, multi_label=True, class_thresholds=dict.fromkeys(NAMES, 0.99)
    )
    assert none.rejected == f"{order[0]} {scores[order[0]]:.3f}, needs 0.990"
