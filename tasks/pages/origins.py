"""Where the figures of a page come from: versions with their keys, programs, papers, and files beside the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from storage.bibtex import bibtex
from storage.citations import Citation, citations
from storage.store import Store
from storage.version import NOT_STATED, Version, package_versions
from tasks.pages.render import Made


def made_of(
    store: Store,
    versions: Sequence[Version],
    files: Sequence[tuple[str, str]] = (),
    whole: bool = True,
) -> Made:
    """Return what a page says about the origin of its figures.

    Parameters
    ----------
    store
        The store.
    versions
        What the page is about.
    files
        (name, what it holds) of the files beside the page.
    whole
        Whether the versions that these were made from are listed as well; the papers of all are.
    """
    found = below(store, versions) if whole else list(versions)
    papers: dict[Citation, None] = {}
    for version in versions:
        papers |= dict.fromkeys(citations(version, store.find))
    listed = list(papers)
    return Made(
        lineage=[
            (v.kind, v.ref, v.key, v.created.removesuffix("+00:00").replace("T", " "), _programs([v]))
            for v in found
        ],
        citations=[(one.subject, one.text, one.doi) for one in listed],
        bibtex=bibtex(listed),
        programs=f"Written by nmer {package_versions('nmer')['nmer']}; made with {_programs(found)}",
        created=_date(max((v.created for v in found), default="")),
        files=files,
    )


def below(store: Store, versions: Iterable[Version]) -> list[Version]:
    """Return versions followed by those that they were made from, each once, as far as the store has them."""
    found: dict[str, Version] = {}
    waiting = list(versions)
    while waiting:
        version = waiting.pop(0)
        if version.ref not in found:
            found[version.ref] = version
            waiting += [made_from for _, made_from in store.inputs(version) if made_from is not None]
    return list(found.values())


def licence(attributes: dict[str, Any]) -> str:
    """Return the licence of a version's data; empty where none is stated."""
    text = str(attributes.get("licence", NOT_STATED))
    return "" if text == NOT_STATED else text


def _date(created: str) -> str:
    """Return a time as it is read, UTC."""
    return created.removesuffix("+00:00").replace("T", " ")


def _programs(versions: Iterable[Version]) -> str:
    engines: dict[str, None] = {}
    for version in versions:
        engines |= dict.fromkeys(f"{name} {number}" for name, number in version.attributes()["engines"].items())
    return ", ".join(sorted(engines))
