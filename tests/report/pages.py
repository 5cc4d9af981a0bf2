"""A page as a parser sees it."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from cupl.classification.prediction import Prediction
from cupl.evaluation.schema import Evaluation
from cupl.report.examples import Example
from cupl.report.page import report_page
from cupl.report.photo_page import PhotoPage

VOID = {"meta", "link", "img", "source", "br", "rect", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: "list[Element | str]" = field(default_factory=list)

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute] or ""

    def all(self, tag: str) -> "Iterator[Element]":
        """Elements of that tag in here, in order; every one for ``*``."""
        for child in self.children:
            if isinstance(child, Element):
                if tag in (child.tag, "*"):
                    yield child
                yield from child.all(tag)

    def with_class(self, name: str) -> "list[Element]":
        return [one for one in self.all("*") if name in (one.attributes.get("class") or "").split()]

    @property
    def text(self) -> str:
        parts = (one if isinstance(one, str) else one.text for one in self.children)
        return " ".join("".join(parts).split())

    def section(self, id: str) -> "Element":
        return next(one for one in self.all("section") if one["id"] == id)


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: bytes) -> Element:
    """The tree; every element must be closed."""
    tree = _Tree()
    tree.feed(html.decode("utf-8"))
    tree.close()
    assert len(tree.open) == 1
    return tree.open[0]


def page_of(found: Evaluation, examples: Sequence[Example] = ()) -> Element:
    """The report without figures."""
    return parse(report_page(found, examples))


def photo_page(predictions: Iterable[Prediction], total: int | None = None) -> Element:
    """The page of predictions, its cards, which wait as text, put in their places."""
    page, file = PhotoPage(), io.BytesIO()
    for one in predictions:
        page.add(one)
    page.write(file, total)
    return with_cards(file.getvalue())


def with_cards(html: bytes) -> Element:
    tree = parse(html)
    for one in tree.all("script"):
        if one.attributes.get("type") == "text/plain":
            one.children = parse("".join(map(str, one.children)).encode()).children
    return tree


def rows(table: Element) -> list[list[Element]]:
    body = next(table.all("tbody"))
    return [list(row.all("td")) for row in body.all("tr")]
