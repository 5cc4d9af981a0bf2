"""A library of photos: their vectors and facts in a store, found by words, photos and classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_sources import ImageSource, one_or_many
from cupl.errors import InputError
from cupl.index.duplicates import MAX_DISTANCE, MIN_COSINE, Duplicates, find_duplicates
from cupl.index.found import SHOWN, FoundPhotos, with_paths
from cupl.index.given import given_vector
from cupl.index.kept_photos import KeptPhotos
from cupl.index.query import QueryTerm, query_terms, text_terms
from cupl.index.recommending import AWAY, example_vector, examples_of
from cupl.index.rows import COLUMNS, paths_of, table_schema
from cupl.index.searching import checked_where, closest, query_vector
from cupl.index.tagging import clear_tags, tag_rows, tag_rule
from cupl.io.arguments import several
from cupl.progress import Progress, ignore

if TYPE_CHECKING:
    from cupl.classification.filter_classes import FilterClasses
    from cupl.classification.prediction import Prediction
    from cupl.classification.vector_classifier import VectorClassifier
    from cupl.index.class_search import ClassPhotos


class PhotoIndex(KeptPhotos):
    """Photos that can be searched.

    ::

        index = cupl.PhotoIndex.open("photos.lance", encoder="mini")
        index.add("photos/")
        for found in index.search("a red bicycle against a wall", k=20):
            print(found.score, found.path)

    Attributes:
        store: keeps the rows.
        changes: what the last :meth:`add` or :meth:`update` has changed, also while it runs.

    """

    def search(
        self,
        text: str | Sequence[str] | None = None,
        k: int = 20,
        *,
        image: ImageSource | Iterable[ImageSource] | None = None,
        vector: npt.ArrayLike | None = None,
        query: str | Sequence[QueryTerm] | None = None,
        where: str | None = None,
        min_score: float | None = None,
        exact: bool = False,
    ) -> FoundPhotos:
        """The photos that are closest to a text, a photo or a vector, or to several together.

        ``search("a red bicycle")``, ``search(image="bicycle.jpg")``,
        ``search(query="2:retriever + ./pool.jpg - fruit")``.

        Args:
            text: what is to be seen, as it is; the mean of several.
            k: how many photos, at most.
            image: more like this one, or the mean of several, see
                :data:`~cupl.embedding.image_sources.ImageSource`; a file that is in the index is
                not read, and left out of what is found.
            vector: ``[dim]`` of any length, of the encoder of the index; an array, a list of
                numbers or a torch tensor.
            query: terms with weights and signs, see :mod:`cupl.index.query`; it may name files,
                which are read, so let only those write it who may read them.
            where: only photos for which it holds, as in ``date > '2024'``; see
                :mod:`cupl.index.where`.
            min_score: only photos with at least this cosine.
            exact: look at all vectors, also where there is an approximate index.

        Raises:
            InputError: there is nothing to search for, or it cannot be read or used.

        """
        terms = text_terms([] if text is None else several(text))
        terms += [] if image is None else [QueryTerm(image=one) for one in one_or_many(image)[1]]
        terms += [] if query is None else query_terms(query)
        if vector is not None and terms:
            raise InputError("a vector is searched for alone, without texts and images")
        if vector is None and not terms:
            raise InputError("a search is for a text, an image, a query or a vector: give one")
        condition, without = checked_where(where), set[str]()
        if vector is not None:
            wanted = given_vector(vector)
        else:
            wanted, without = query_vector(self.store, lambda: self.encoder, terms)
        return closest(
            self.store, wanted, k,
            where=condition, min_score=min_score, exact=exact, without=without,
        )  # fmt: skip

    def search_classes(
        self,
        classes: FilterClasses,
        k: int = 20,
        *,
        where: str | None = None,
        min_score: float | None = None,
        exact: bool = False,
    ) -> list[ClassPhotos]:
        """The best photos of each class.

        Args:
            classes: a bank or class vectors, the file of either, or a list of names, each as "a
                photo of a NAME."; encoded with the encoder of the index.
            k: how many photos of each, at most.
            where: as for :meth:`search`.
            min_score: likewise.
            exact: likewise.

        Raises:
            InputError: another encoder made the class vectors, or something cannot be used.

        """
        from cupl.index.class_search import class_vectors_of, closest_to_classes

        return closest_to_classes(
            self.store, class_vectors_of(classes, lambda: self.encoder), k,
            where=checked_where(where), min_score=min_score, exact=exact,
        )  # fmt: skip

    def similar(
        self,
        to: ImageSource | Iterable[ImageSource],
        away_from: ImageSource | Iterable[ImageSource] = (),
        *,
        k: int = 20,
        away: float = AWAY,
        where: str | None = None,
        min_score: float | None = None,
        exact: bool = False,
        image_cache: ImageCache = None,
    ) -> FoundPhotos:
        """Photos like some examples, and unlike others; see :mod:`cupl.index.recommending`.

        Args:
            to: images, folders or patterns; a file that is in the index is not read, and may be
                gone from the disk.
            away_from: likewise, of what is not wanted.
            k: how many photos, at most; the examples are left out.
            away: how much the mean of ``away_from`` counts, 0 to 1.
            where: as for :meth:`search`.
            min_score: likewise.
            exact: likewise.
            image_cache: as for :meth:`add`.

        Raises:
            InputError: no example can be read, or a setting cannot be used.

        """
        condition = checked_where(where)
        liked, others = (
            examples_of(self.store, lambda: self.encoder, list(one_or_many(given)[1]), image_cache)
            for given in (to, away_from)
        )
        return closest(
            self.store, example_vector(liked, others, away), k,
            where=condition, min_score=min_score, exact=exact,
            without={one.id for one in [*liked, *others] if one.id is not None},
        )  # fmt: skip

    def to_pandas(self, where: str | None = None) -> Any:
        """All that is known of the photos, but for their vectors, as a table of pandas.

        By path; the columns are those of :class:`~cupl.index.rows.PhotoRow`. To export the tags:
        ``index.to_pandas("probability > 0.5").to_csv("tags.csv")``.

        Args:
            where: as for :meth:`search`.

        Raises:
            InputError: ``where`` is no condition, or the index cannot be read.

        """
        import pyarrow as pa

        tables = list(self.store.scan(COLUMNS, checked_where(where)))
        empty = table_schema(1, "float16").empty_table().select(COLUMNS)
        table = pa.concat_tables([one.select(COLUMNS) for one in tables] or [empty])
        table = table.sort_by("path")
        return with_paths(table.select(SHOWN), paths_of(table))

    def duplicates(
        self,
        *,
        min_cosine: float = MIN_COSINE,
        max_distance: int = MAX_DISTANCE,
        where: str | None = None,
        progress: Progress = ignore,
    ) -> Duplicates:
        """Photos that are there more than once; see :func:`~cupl.index.duplicates.find_duplicates`.

        Args:
            min_cosine: of two photos that are nearly the same, at least.
            max_distance: bits of 64 in which their perceptual hashes differ, at most; with 64 no
                photo is opened, and the cosine alone decides.
            where: as for :meth:`search`.
            progress: told how many photos are compared with all, and of how many.

        Raises:
            InputError: a setting cannot be used.
            MissingPackageError: imagehash is not installed.

        """
        return find_duplicates(
            self.store, min_cosine=min_cosine, max_distance=max_distance,
            where=checked_where(where), progress=progress,
        )  # fmt: skip

    def tag(
        self,
        classifier: VectorClassifier | FilterClasses,
        *,
        threshold: float | None = None,
        class_thresholds: Mapping[str, float] | None = None,
        top: int | None = None,
        progress: Progress = ignore,
    ) -> list[Prediction]:
        """Write the classes of each photo into its row: ``label``, ``probability`` and ``tags``.

        Args:
            classifier: with class vectors by the encoder of the index; or classes, as for
                :meth:`search_classes`.
            threshold: see :func:`~cupl.index.tagging.tag_rule`.
            class_thresholds: as of :meth:`ZeroShotClassifier.fit_class_thresholds`.
            top: tags that a photo has at most; without thresholds the best so many.
            progress: told how many photos are done, and of how many.

        Returns:
            A prediction for each photo, its tags as ``labels``.

        Raises:
            InputError: the class vectors are of another encoder, or nothing says what is a tag.

        """
        from cupl.classification.vector_classifier import VectorClassifier
        from cupl.index.class_search import class_vectors_of

        if not isinstance(classifier, VectorClassifier):
            classifier = VectorClassifier(class_vectors_of(classifier, lambda: self.encoder))
        rule = tag_rule(classifier, threshold=threshold, class_thresholds=class_thresholds, top=top)
        return list(tag_rows(self.store, classifier, rule, progress=progress))

    def untag(self, *, progress: Progress = ignore) -> int:
        """Take the tags from all photos of the index; how many had any."""
        return clear_tags(self.store, progress=progress)
