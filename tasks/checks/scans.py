"""Energies along scans: minima, figures of the errors, and the plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from potentials.arrays import Bools, Floats
from storage.version import Column
from tasks.checks.columns import COLOURS, LINES, REFERENCE_COLOUR, SUM, key_of
from tasks.checks.interface import Findings, Result
from tasks.plot import Plot

LOW = 10.0
"""Interaction energies above this are not counted in the RMSD, kcal/mol."""


class Minimum(NamedTuple):
    """The minimum of a scan: the length of the hydrogen bond, Angstrom, and the energy, kcal/mol."""

    distance: float
    energy: float


def minima(distances: Floats, energy: Floats) -> list[Minimum]:
    """Return the minima between the ends of a scan, by cubic splines through its points, the lowest first."""
    from scipy.interpolate import CubicSpline

    there = np.isfinite(energy)
    if there.sum() < 4:
        return []
    spline = CubicSpline(distances[there], energy[there])
    places = spline.derivative().roots(extrapolate=False)
    found = [Minimum(float(x), float(spline(x))) for x in places if spline(x, 2) > 0.0]
    return sorted(found, key=lambda one: one.energy)


class Scans(NamedTuple):
    """The points of all scans, one after another; energies in kcal/mol."""

    conformation: list[str]
    site: list[str]
    distance: Floats
    reference: Floats
    models: dict[str, Floats]
    outside: Floats


def compared(scanned: Scans) -> tuple[list[Result], dict[str, Column], list[str]]:
    """Return the figures, the table of minima, and the scans that have none."""
    rows: list[tuple[str, str, Minimum, dict[str, Minimum]]] = []
    missing = []
    for mine, conformation, site in _each(scanned):
        lowest = minima(scanned.distance[mine], scanned.reference[mine])
        if not lowest or lowest[0].energy >= 0.0:
            missing.append(f"{conformation} {site}")
            continue
        own = {}
        for name, values in scanned.models.items():
            near = sorted(
                minima(scanned.distance[mine], values[mine]), key=lambda m: abs(m.distance - lowest[0].distance)
            )
            own[name] = near[0] if near else Minimum(np.nan, np.nan)
        rows.append((conformation, site, lowest[0], own))
    results = [one for name in scanned.models for one in _results(name, scanned, rows)]
    table = {
        "minima.conformation": Column(tuple(r[0] for r in rows), "1", "conformation of the dipeptide"),
        "minima.site": Column(tuple(r[1] for r in rows), "1", "atoms of the hydrogen bond"),
        "minima.reference-distance": Column(np.array([r[2].distance for r in rows]), "Angstrom", "at the minimum"),
        "minima.reference-energy": Column(np.array([r[2].energy for r in rows]), "kcal/mol", "at the minimum"),
    }
    for name in scanned.models:
        for kind, unit in (("distance", "Angstrom"), ("energy", "kcal/mol")):
            values = np.array([getattr(r[3][name], kind) for r in rows])
            table[f"minima.{key_of(name)}-{kind}"] = Column(
                values, unit, f"at the minimum of {name}; nan: there is none"
            )
    return results, table, missing


def _each(scanned: Scans) -> list[tuple[Bools, str, str]]:
    """Return which points belong to each scan."""
    names = list(zip(scanned.conformation, scanned.site, strict=True))
    return [(np.array([n == one for n in names]), *one) for one in dict.fromkeys(names)]


def _results(
    name: str, scanned: Scans, rows: Sequence[tuple[str, str, Minimum, dict[str, Minimum]]]
) -> list[Result]:
    """Return the figures of one model."""
    begin, what = ("", "the sum") if name == SUM else (f"{key_of(name)}-", name)
    low = scanned.reference <= LOW
    error = (scanned.models[name] - scanned.reference)[low]
    depth = np.array([own[name].energy - right.energy for _, _, right, own in rows])
    place = np.array([own[name].distance - right.distance for _, _, right, own in rows])
    there = np.isfinite(depth)

    def of(values: Floats, how: Any) -> float | None:
        return float(how(np.abs(values[there]))) if there.any() else None

    worst = rows[int(np.nanargmax(np.abs(depth)))] if there.any() else None
    where = "" if worst is None else f" ({worst[0]} {worst[1]})"
    values, right = scanned.models[name], scanned.reference
    bound = right < 0.0
    found: list[tuple[str, str, float | None]] = [
        ("rmsd", f"RMSD of the interaction energy of {what} where the reference's is below {LOW:g}", _rms(error)),
        ("rmsd-bound", f"RMSD of {what} where the reference binds", _rms((values - right)[bound])),
        ("largest", f"largest error of {what} where the reference's is below {LOW:g}", _largest(error)),
        ("depth", f"mean absolute error of the depth of the minima of {what}", of(depth, np.mean)),
        ("depth-largest", f"largest error of the depth of a minimum of {what}{where}", of(depth, np.max)),
        ("position", f"mean absolute error of the length of the hydrogen bond of {what}", of(place, np.mean)),
        ("position-largest", f"largest error of the length of the hydrogen bond of {what}", of(place, np.max)),
        ("lost", f"number of minima of the reference that {what} does not have", float((~there).sum())),
    ]
    if (high := right > LOW).any():
        said = f"lowest interaction energy of {what} where the reference's is above {LOW:g}"
        found.append(("contact", said, float(values[high].min())))
    if name == SUM and not np.isnan(scanned.outside).any():
        said = f"share of the points below {LOW:g} kcal/mol that are outside of the training data"
        found.append(("outside", said, float(scanned.outside[low].mean())))
    plain = {"lost": "", "outside": "", "position": ", Angstrom", "position-largest": ", Angstrom"}
    return [Result(begin + key, said + plain.get(key, ", kcal/mol"), value) for key, said, value in found]


def _rms(values: Floats) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if len(values) else None


def _largest(values: Floats) -> float | None:
    return float(np.abs(values).max()) if len(values) else None


def columns(scanned: Scans, against: str) -> dict[str, Column]:
    """Return the columns of the points, for the name of the reference."""
    found = {
        "scans.conformation": Column(tuple(scanned.conformation), "1", "conformation of the dipeptide"),
        "scans.site": Column(tuple(scanned.site), "1", "atoms of the hydrogen bond"),
        "scans.distance": Column(scanned.distance, "Angstrom", "distance of these two atoms"),
        "scans.reference": Column(scanned.reference, "kcal/mol", f"interaction energy of {against}"),
    }
    for name, values in scanned.models.items():
        found[f"scans.{key_of(name)}"] = Column(values, "kcal/mol", f"interaction energy of {name}")
    where = "1 where the sum is outside of the range of its training data; nan: not known"
    return found | {"scans.outside": Column(scanned.outside, "1", where)}


def draw_scans(findings: Findings) -> list[Plot]:
    """Draw a panel for each scan: a row for each conformation, a column for each site."""
    from matplotlib.figure import Figure

    data = {
        name.removeprefix("scans."): np.asarray(c.values)
        for name, c in findings.data.items()
        if name.startswith("scans.")
    }
    models, against = findings.facts["models"], findings.facts["reference"]
    rows, places = (list(dict.fromkeys(data[name])) for name in ("conformation", "site"))
    figure = Figure(figsize=(6.5, 1.6 * len(rows) + 0.9), layout="constrained")
    panels = figure.subplots(len(rows), len(places), sharex=True, sharey=True, squeeze=False)
    for n, conformation in enumerate(rows):
        for m, site in enumerate(places):
            axes, mine = panels[n, m], (data["conformation"] == conformation) & (data["site"] == site)
            x = data["distance"][mine]
            axes.axhline(0.0, color="0.8", linewidth=0.6)
            axes.plot(
                x, data["reference"][mine], color=REFERENCE_COLOUR, linewidth=1.8, label=f"{against} (reference)"
            )
            for model in models:
                style = {"color": COLOURS[model], "linestyle": LINES[model]}
                axes.plot(x, data[key_of(model)][mine], linewidth=1.2, label=model, **style)
            off = data["outside"][mine] > 0
            axes.plot(x[off], data[key_of(SUM)][mine][off], ".", markersize=4, color=COLOURS[SUM])
            axes.set_title(f"{conformation}  {site}", fontsize=8, pad=2)
            axes.set(xlim=(x.min(), x.max()), ylim=(-12.0, LOW))
            axes.tick_params(labelsize=7)
    lines, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper center", ncols=len(lines), fontsize=8)
    dots = "; dots: outside of the training data" if (data["outside"] > 0).any() else ""
    figure.supxlabel(f"length of the hydrogen bond (Angstrom){dots}", fontsize=9)
    figure.supylabel("interaction energy (kcal/mol)", fontsize=9)
    keys = ["distance", "reference", *map(key_of, models), "outside"]
    head = ["conformation", "site", "distance_angstrom", *(f"{k}_kcal_per_mol" for k in keys[1:-1]), "outside"]
    table = (
        [data["conformation"][n], data["site"][n], *(f"{data[key][n]:.6g}" for key in keys)]
        for n in range(len(data["site"]))
    )
    return [Plot.of("water-scans", figure, head, table)]
