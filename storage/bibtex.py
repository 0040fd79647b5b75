"""Papers as BibTeX, from the lines of text of ``papers.toml``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from storage.citations import Citation

_ARTICLE = re.compile(
    r"(?P<authors>.+), (?P<journal>[^,]+?) (?P<volume>\d+), (?P<pages>[\w-]+) \((?P<year>\d{4})\)$"
)
_PROCEEDINGS = re.compile(
    r"(?P<authors>.+), (?P<booktitle>Proceedings of [^,]+?) (?P<year>\d{4}), (?P<pages>[\w-]+) \(\d{4}\)$"
)
_OTHER = re.compile(r"(?P<authors>.+) \((?P<year>\d{4})\), (?P<title>.+)$")
_SPECIAL = re.compile(r"[\\{}$&#^_%~]")


def bibtex(citations: Iterable[Citation]) -> str:
    """Return the papers of citations, each once, as entries of BibTeX; those without a paper are left out.

    Text of no known form becomes the note of an entry ``@misc``. What LaTeX reads as a command is left out.
    """
    entries: dict[str, str] = {}
    names: set[str] = set()
    for citation in citations:
        if citation.text and citation.text not in entries:
            entries[citation.text] = _entry(citation, names)
    return "\n\n".join(entries.values())


def _entry(citation: Citation, names: set[str]) -> str:
    text = " ".join(citation.text.split())
    forms = (("inproceedings", _PROCEEDINGS), ("article", _ARTICLE), ("misc", _OTHER))
    kind, found = next(((kind, m) for kind, form in forms if (m := form.match(text))), ("misc", None))
    fields = {"note": text} if found is None else found.groupdict()
    name = _name(fields, names)
    if "authors" in fields:
        fields = {"author": _authors(fields.pop("authors"))} | fields
    fields |= {"doi": citation.doi} if citation.doi else {}
    lines = [
        f"  {field} = {{{_SPECIAL.sub('', value) if field != 'doi' else value}}}"
        for field, value in fields.items()
    ]
    return f"@{kind}{{{name},\n" + ",\n".join(lines) + "\n}"


def _authors(text: str) -> str:
    """Return authors separated as BibTeX reads them: ``et al.`` is ``others``."""
    listed = text.removesuffix(" et al.").split(", ")
    return " and ".join([*listed, *(["others"] if text.endswith(" et al.") else [])])


def _name(fields: dict[str, str], names: set[str]) -> str:
    """Return the key of an entry: the first author's last name, the year, and a letter where it is taken."""
    author = fields.get("authors", "paper").split(", ")[0].removesuffix(" et al.").split()[-1]
    stem = re.sub(r"[^A-Za-z]", "", author) + fields.get("year", "")
    name = next(n for n in (stem, *(f"{stem}{chr(c)}" for c in range(ord("b"), ord("z") + 1))) if n not in names)
    names.add(name)
    return name
