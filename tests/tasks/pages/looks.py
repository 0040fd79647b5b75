"""What every page must be: valid HTML of balanced tags, without scripts, without anything loaded from outside."""

from __future__ import annotations

from html.parser import HTMLParser

EMPTY = {"meta", "img", "br", "hr", "link", "input"}
"""Elements without an end."""

LARGEST = 8_000_000
"""Characters of a page of which every plot is a part."""


class _Reader(HTMLParser):
    """Collects what a page has."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def read(html: str) -> _Reader:
    """Parse a page; every element is closed in order."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open, f"not closed: {reader.open}"
    return reader


def text_of(html: str) -> str:
    """Return the words of a page, separated by single spaces."""
    return " ".join("".join(read(html).words).split())


def check_page(html: str) -> set[str]:
    """Check a page, and return the files that it links to."""
    assert html.startswith("<!doctype html>") and len(html) < LARGEST
    reader = read(html)
    names = [tag for tag, _ in reader.tags]
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & set(names)
    assert names.count("h1") == 1 and names.count("main") == 1 and names.count("title") == 1
    identities = [values["id"] for _, values in reader.tags if "id" in values]
    assert len(identities) == len(set(identities))
    links = set()
    for tag, values in reader.tags:
        assert not [name for name in values if name.startswith("on")], tag
        if tag == "img":
            assert (values["src"] or "").startswith("data:image/png;base64,") and values["alt"]
        link = values.get("href") or ""
        if link.startswith("#"):
            assert link[1:] in identities, link
        elif link:
            assert link.startswith("https://doi.org/") or ":" not in link, link
            links.add(link)
    style = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style
    return {link for link in links if not link.startswith("https:")}
