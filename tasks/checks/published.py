"""What the papers report for alanine dipeptide, beside which a check's figures stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.checks.interface import Findings
from tasks.checks.page import SUM, figures_of, models_of, neutral
from tasks.pages.render import Table

PUBLISHED: dict[tuple[str, str], dict[str, float]] = {
    ("ramachandran", "rmsd-from-minima"): {SUM: 1.27, "ff14sb": 6.33, "ff19sb": 5.23},
    ("ramachandran", "rmsd-from-minima-below-10"): {SUM: 1.18},
    ("ramachandran", "rmsd-from-minima-above-10"): {SUM: 1.59},
}
"""Figures of paper I (Zhou, Bull-Vulpe, Pan, Paesani 2025), kcal/mol, of its potential and of force fields.

See `OF_PAPER`.
"""

OF_PAPER = (
    "The reference of paper I is DLPNO-CCSD(T)/aug-cc-pVTZ: its columns are for orientation. How its energies are "
    "aligned is not known here; they stand beside the figures from each model's own minimum, to which those of "
    "Amber are the nearest."
)
"""What the page says about these figures."""

CHECKS_OF_PAPER = ("ramachandran", "stationary", "frequencies")
"""Begin of the names of the checks whose figures are in the table of the papers."""

TITLE = "Alanine dipeptide beside force fields and the papers"


def dipeptide_table(found: Mapping[str, Findings]) -> Table | None:
    """Return the papers' table of alanine dipeptide with columns for the sum, force fields, and paper I.

    Parameters
    ----------
    found
        Findings by the names of their checks.

    Returns
    -------
    None where none of the checks was measured.
    """
    chosen = {name: one for name, one in found.items() if name.startswith(CHECKS_OF_PAPER)}
    models: dict[str, str] = {}
    for findings in chosen.values():
        models |= models_of(findings)
    rows: list[Sequence[object]] = []
    for check, findings in chosen.items():
        figures = figures_of(findings)
        for name, result in figures[SUM].items():
            others = [one.get(name) for key, one in figures.items() if key != SUM]
            if result.limit is None and (any(others) or (check, name) in PUBLISHED):
                own = [figures.get(key, {}).get(name) for key in models]
                published = PUBLISHED.get((check, name), {})
                rows.append(
                    [
                        neutral(result.meaning),
                        result.value,
                        *(None if one is None else one.value for one in own),
                        *(published.get(key) for key in (SUM, *models)),
                    ]
                )
    if not rows:
        return None
    heads = ["figure", "sum of n-mers", *models.values(), "paper I", *(f"paper I: {m}" for m in models.values())]
    against = dict.fromkeys(str(one.facts["reference"]) for one in chosen.values() if "reference" in one.facts)
    note = f"Reference: {', '.join(against)}. {OF_PAPER}" if against else OF_PAPER
    return Table(heads, rows, TITLE, len(heads) - 1, note=note)
