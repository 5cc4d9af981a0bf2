"""Searching the index: words, photos, conditions, classes and near-duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from starlette.responses import Response
from starlette.routing import Route

from cupl.errors import InputError
from cupl.progress import Progress
from cupl.web.answers import Body, command, query
from cupl.web.search_photos import HandedOut
from cupl.web.settings import ViewSettings
from cupl.web.thumbnails import WHOLE, jpeg_of
from cupl.web.workspace import Workspace

if TYPE_CHECKING:
    from cupl.index.found import FoundPhotos
    from cupl.index.photo_index import PhotoIndex
    from cupl.index.query import QueryTerm

MOST_SHOWN = 500
_GROUPS_SHOWN = 200
_Key = Annotated[str, Field(max_length=64)]
_Keys = Annotated[list[_Key], Field(max_length=50)]


class FilterBody(Body):
    """Which photos may be found, and how many."""

    where: Annotated[str, Field(max_length=2000)] | None = None
    min_score: Annotated[float, Field(ge=-1, le=1)] | None = None
    k: Annotated[int, Field(ge=1, le=MOST_SHOWN)] = 60


class SearchBody(FilterBody):
    """What is looked for: words, and photos that it is to be like or unlike.

    Photos are those that were found, or that were dropped onto the page (``u1``).
    """

    text: Annotated[str, Field(max_length=2000)] = ""
    like: _Keys = []  # noqa: RUF012 - pydantic copies it
    unlike: _Keys = []  # noqa: RUF012


class ClassesBody(FilterBody):
    """The best photos of each class, by vectors under these settings."""

    settings: ViewSettings = ViewSettings()


class DuplicatesBody(Body):
    """From where on two photos are one picture."""

    min_cosine: Annotated[float, Field(ge=0, le=1)] | None = None
    max_distance: Annotated[int, Field(ge=0, le=64)] | None = None


def search_routes(space: Workspace) -> list[Route]:
    """The routes of the page; none without an index."""
    if space.sources.index is None:
        return []
    page = _SearchPage(space, space.sources.index)
    return [
        query("/api/search/info", page.info),
        command("/api/search", SearchBody, page.search),
        command("/api/search/csv", SearchBody, page.table),
        command("/api/search/classes", ClassesBody, page.classes),
        command("/api/search/duplicates", DuplicatesBody, page.duplicates),
        query("/index/thumb/{photo}", page.thumb),
        query("/index/photo/{photo}", page.whole),
    ]


class _SearchPage:
    def __init__(self, space: Workspace, index: PhotoIndex) -> None:
        self.space, self.given = space, index
        self.photos = HandedOut()

    @cached_property
    def index(self) -> PhotoIndex:
        """With the encoder of the app, where it is that of the index."""
        from cupl.index.photo_index import PhotoIndex

        encoder = self.space.encoder
        try:
            self.given.store.metadata.check_encoder(encoder, self.given.store.place)
        except InputError:
            return self.given
        return PhotoIndex(self.given.store, encoder)

    @property
    def fits(self) -> bool:
        """Whether photos that were dropped can be searched with."""
        return self.index is not self.given

    def info(self, asked: Mapping[str, str]) -> dict[str, Any]:
        from cupl.index.duplicates import MAX_DISTANCE, MIN_COSINE

        made_by = self.given.store.metadata.provenance
        return {
            "photos": len(self.given), "encoder": made_by.encoder,
            "min_cosine": MIN_COSINE, "max_distance": MAX_DISTANCE,
            "classes": len(self.space.labels),
        }  # fmt: skip

    def search(self, body: SearchBody) -> dict[str, Any]:
        return {"photos": [self.photos.tell(one) for one in self._found(body)]}

    def table(self, body: SearchBody) -> Response:
        from cupl.index.found_files import FoundList, found_text

        found = FoundList([((), one) for one in self._found(body)])
        name = {"Content-Disposition": 'attachment; filename="found.csv"'}
        content = "".join(found_text(found, "csv")).encode("utf-8", "surrogateescape")
        return Response(content, 200, name, "text/csv; charset=utf-8")

    def classes(self, body: ClassesBody) -> dict[str, Any]:
        classifier, _ = self.space.views.classifier(body.settings)
        found = self.index.search_classes(
            classifier.vectors, min(body.k, 24), where=body.where or None, min_score=body.min_score
        )
        told = [
            {"label": str(one.label), "photos": [self.photos.tell(photo) for photo in one.photos]}
            for one in found
        ]
        return {"classes": told}

    def duplicates(self, body: DuplicatesBody) -> dict[str, Any]:
        from cupl.index.duplicates import MAX_DISTANCE, MIN_COSINE

        cosine = MIN_COSINE if body.min_cosine is None else body.min_cosine
        distance = MAX_DISTANCE if body.max_distance is None else body.max_distance

        def work(progress: Progress) -> dict[str, Any]:
            found = self.given.duplicates(
                min_cosine=cosine, max_distance=distance, progress=progress
            )
            groups = [
                [
                    {**self.photos.tell(photo), "exact": exact}
                    for photo, exact in zip(group.photos, group.exact, strict=True)
                ]
                for group in found.groups[:_GROUPS_SHOWN]
            ]
            return {"groups": groups, "found": len(found.groups), "unread": len(found.unread)}

        return self.space.jobs.start("duplicates", "Looking for copies", work).to_dict()

    def thumb(self, asked: Mapping[str, str]) -> Response:
        with self.photos.opened(asked["photo"]) as photo:
            return _picture(self.space.thumbnails.of(photo))

    def whole(self, asked: Mapping[str, str]) -> Response:
        with self.photos.opened(asked["photo"]) as photo:
            return _picture(jpeg_of(photo.source, WHOLE))

    def _found(self, body: SearchBody) -> FoundPhotos:
        terms = self._terms(body)
        if not terms:
            raise InputError("say what to look for, or choose a photo that it is to be like")
        return self.index.search(
            query=terms, k=body.k, where=body.where or None, min_score=body.min_score
        )

    def _terms(self, body: SearchBody) -> list[QueryTerm]:
        from cupl.index.query import QueryTerm, parse_query

        terms = parse_query(body.text, photos=False) if body.text.strip() else []
        for keys, weight in ((body.like, 1.0), (body.unlike, -1.0)):
            for key in keys:
                if key.startswith("u"):
                    self._check_fits()
                    vector = self.space.uploads.find(key).vector
                    terms.append(QueryTerm(vector=vector, weight=weight))
                else:
                    terms.append(QueryTerm(image=self.photos.path(key), weight=weight))
        return terms

    def _check_fits(self) -> None:
        if not self.fits:
            made_by = self.given.store.metadata.provenance.encoder
            raise InputError(
                f"the index was made with {made_by!r:.100} and the app runs another encoder: start "
                "it with that one to search by a dropped photo"
            )


def _picture(data: bytes) -> Response:
    return Response(data, 200, {"Cache-Control": "private, max-age=3600"}, "image/jpeg")
