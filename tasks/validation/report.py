"""The one-page report of a potential, as a self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tasks.metrics import Errors, WindowErrors
from tasks.validation.gates.interface import Verdict


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes
    ----------
    ref, title, protocol
        Name of the potential, of the n-mer, and of the labels' protocol.
    status
        ``released`` or ``candidate``.
    stages
        (stage, what came out of it, its version) in order.
    train, test
        Errors.
    gates
        The gates' verdicts.
    notes
        Warnings of the fit, one sentence each.
    parity
        The parity plot, PNG.
    recipe
        The fully expanded recipe, TOML.
    coverage
        (what, for the chosen frames, for as many drawn at random): distances of the pool from the selection.
    by_energy
        Errors on the test set by energy.
    trust
        What is known about predictions away from the data, one sentence each.
    labels
        How the labels ended, one sentence.
    costs, costs_from
        (what, expected, measured) of the labels' cost, and where the expected figures come from.
    """

    ref: str
    title: str
    protocol: str
    status: str
    stages: Sequence[tuple[str, str, str]]
    train: Errors
    test: Errors
    gates: Sequence[Verdict]
    notes: Sequence[str]
    parity: bytes
    recipe: str
    coverage: Sequence[tuple[str, float, float]] = ()
    labels: str = ""
    by_energy: Sequence[WindowErrors] = ()
    trust: Sequence[str] = ()
    costs: Sequence[tuple[str, str, str]] = ()
    costs_from: str = ""


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.2rem; } h2 { font-size: 1.05rem; margin: 1.4rem 0 0.4rem; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 24rem); gap: 2rem; align-items: start; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: 0.2rem 0.6rem 0.2rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
img { width: 100%; } pre { background: #f5f5f5; padding: 0.8rem; overflow-x: auto; font-size: 12px; }
.released, .passed { color: #17713a; } .candidate, .failed { color: #a3260d; }
@media (max-width: 50rem) { .columns { grid-template-columns: 1fr; } }
"""

_COVERAGE = """<h2>Selection coverage</h2>
<table><tr><th>distance of the pool's frames from the nearest chosen one (A)</th><th class="number">chosen</th>
<th class="number">random</th></tr>"""

_COSTS = """<table><tr><th>cost of the labels</th><th class="number">expected{}</th>
<th class="number">measured</th></tr>"""


_WINDOWS = """<table><tr><th>test set, kcal/mol above the lowest</th><th class="number">configurations</th>
<th class="number">RMSD</th><th class="number">MAE</th><th class="number">largest</th></tr>"""


def report_html(report: Report) -> str:
    """Return the page."""
    image = base64.b64encode(report.parity).decode()
    stages = _rows([[escape(a), escape(b), f"<code>{escape(c)}</code>"] for a, b, c in report.stages])
    errors = _rows(
        [
            [escape(name), str(e.count), f"{e.rmsd:.4g}", f"{e.mae:.4g}", f"{e.largest:.4g}"]
            for name, e in (("training", report.train), ("test", report.test))
        ],
        numbers=4,
    )
    gates = _rows(
        [
            [
                escape(g.meaning),
                f"{g.value:.3g}",
                f"{'&ge;' if g.name == 'labels' else '&le;'} {g.limit:.3g}",
                f'<span class="{"passed" if g.passed else "failed"}">{"passed" if g.passed else "failed"}</span>',
            ]
            for g in report.gates
        ],
        numbers=3,
    )
    coverage = _rows([[escape(name), f"{a:.3g}", f"{b:.3g}"] for name, a, b in report.coverage], numbers=2)
    costs = _rows([[escape(text) for text in row] for row in report.costs], numbers=2)
    costs_from = f": {escape(report.costs_from)}" if report.costs_from else ""
    windows = _rows(
        [
            [
                f"{w.low:g} and more" if w.high is None else f"{w.low:g} to {w.high:g}",
                *(str(w.errors.count), f"{w.errors.rmsd:.4g}", f"{w.errors.mae:.4g}", f"{w.errors.largest:.4g}"),
            ]
            for w in report.by_energy
        ],
        numbers=4,
    )
    trust = "".join(f"<li>{escape(n)}</li>" for n in report.trust)
    notes = "".join(f"<li>{escape(n)}</li>" for n in report.notes)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(report.ref)}</title>
<style>{_STYLE}</style>
<h1>{escape(report.ref)} <span class="{escape(report.status)}">{escape(report.status)}</span></h1>
<p>{escape(report.title)}. Labels: {escape(report.protocol)}.</p>
<div class="columns">
<div>
<h2>Errors (kcal/mol)</h2>
<table><tr><th>set</th><th class="number">configurations</th><th class="number">RMSD</th>
<th class="number">MAE</th><th class="number">largest</th></tr>{errors}</table>
{f"{_WINDOWS}{windows}</table>" if windows else ""}
<h2>Gates</h2>
<table><tr><th>measured</th><th class="number">value</th><th class="number">limit</th>
<th class="number">verdict</th></tr>{gates}</table>
<h2>Stages</h2>
<table><tr><th>stage</th><th>result</th><th>version</th></tr>{stages}</table>
{f"{_COVERAGE}{coverage}</table>" if coverage else ""}
{f"<h2>Labels</h2><p>{escape(report.labels)}</p>" if report.labels else ""}
{f"{_COSTS.format(costs_from)}{costs}</table>" if costs else ""}
{f"<h2>Away from the data</h2><ul>{trust}</ul>" if trust else ""}
{f"<h2>Notes</h2><ul>{notes}</ul>" if notes else ""}
</div>
<img alt="Fitted against reference energies" src="data:image/png;base64,{image}">
</div>
<details><summary>The fully expanded recipe</summary><pre>{escape(report.recipe)}</pre></details>
</html>
"""


def _rows(rows: list[list[str]], numbers: int = 0) -> str:
    """Return table rows whose last `numbers` cells are right-aligned."""
    text = ""
    for row in rows:
        first_number = len(row) - numbers
        cells = (f"<td{' class=number' if i >= first_number else ''}>{cell}</td>" for i, cell in enumerate(row))
        text += f"<tr>{''.join(cells)}</tr>"
    return text
