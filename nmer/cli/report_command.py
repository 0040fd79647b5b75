"""The command that writes the pages of potentials, families and systems again: report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json
from potentials.errors import InputError
from recipes.families import FAMILIES

if TYPE_CHECKING:
    from storage.store import Store


def report(
    subjects: Annotated[
        list[str],
        Parameter(
            help=f"Potentials (ch3-water@1), families ({', '.join(FAMILIES)}), or systems as for nmer check."
        ),
    ],
    *,
    molecule: Annotated[
        list[str] | None,
        Parameter(consume_multiple=True, help="Test molecules as for nmer check; default: all of the family."),
    ] = None,
    water: Annotated[
        str | None, Parameter(help="Model of the waters of a system: own, q-TIP4P/F, or none.")
    ] = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Write the page of a potential, or of a family or a system, from what the store has; nothing is measured.

    Older pages are replaced. A family's page has the findings of nmer check of its newest potentials, whose pages
    are written as well.

    Examples
    --------
    nmer report ch3-water@latest
    nmer report polyalanine
    """
    from storage.store import Store

    opened = Store(store)
    potentials = {text: opened.resolve(text) for text in subjects if "@" in text}
    if wrong := [text for text, version in potentials.items() if version.kind != "potential"]:
        kind = potentials[wrong[0]].kind
        raise InputError(f"'{wrong[0]}' is a {kind}; pages are of potentials, families, and systems")
    if potentials and (molecule or water is not None):
        option = "--molecule" if molecule else "--water"
        raise InputError(f"{option} is of families and systems, and '{next(iter(potentials))}' is a potential")
    opened.check_writable()
    pages: list[Path] = []
    for text in dict.fromkeys(subjects):
        if text in potentials:
            pages.append(_of_potential(opened, text))
        else:
            pages += _of_sum(opened, text, molecule or (), water)
    if json:
        return print_json({"pages": [str(page) for page in pages]})
    print("\n".join(map(str, pages)))
    return 0


def _of_potential(store: Store, ref: str) -> Path:
    from tasks.fitting.learning import learning_curve
    from tasks.validation.of_store import write_report

    version = store.resolve(ref)
    return _written(lambda: write_report(store, version, learning_curve(store, version)), store.report(version))


def _of_sum(store: Store, text: str, molecules: Sequence[str], water: str | None) -> list[Path]:
    from nmer.cli.check_command import subject_of
    from tasks.checks.files import report_folder
    from tasks.checks.page_of_store import members_of, write_family_page
    from tasks.progress import ProgressLine

    subject = subject_of(text, store, molecules, water, None, ())
    members = [version for version in members_of(subject).values() if version is not None]
    pages = []
    with ProgressLine("pages", 1 + len(members), "pages") as line:
        for version in members:
            pages.append(_of_potential(store, version.ref))
            line.update(len(pages))
        folder = report_folder(store, subject.name)
        pages.append(_written(lambda: write_family_page(subject), folder))
        line.update(len(pages))
    return pages[::-1]


def _written(write: Callable[[], Path], folder: Path) -> Path:
    """Return the page that was written; raises InputError if it cannot be."""
    try:
        return write()
    except OSError as error:
        raise InputError(f"cannot write into '{folder}': {error.strerror}") from None
