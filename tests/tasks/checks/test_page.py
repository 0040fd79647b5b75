"""The page of a family: the answer first, every gate and check, every text escaped, nothing from outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from storage.quality import Purpose
from storage.version import Column
from tasks.checks.interface import Check, Findings, Result
from tasks.checks.page import FamilyPage, Measured, Member, beside, family_page
from tasks.checks.published import dipeptide_table
from tasks.pages.render import Made, Snippet, Table
from tasks.plot import Plot
from tests.tasks.pages.looks import check_page, text_of

GOOD = Purpose("released", "good", ())
HOSTILE = '<script>alert("x")</script>'


def drawn(findings: Findings) -> list[Plot]:
    figure = Figure(figsize=(9.0, 4.2))
    figure.subplots().plot([0, 1])
    return [Plot.of("surface", figure, ["x"], [[1.0]])]


def findings(value: float | None, word: str = "") -> Findings:
    results = (
        Result("contact", f"contacts below their floor {word}", value, 0.0, advice=f"sample conh-ch-conh {word}"),
        Result("rmsd-from-minima", f"RMSD of the sum {word}", 12.0),
        Result("ff14sb-rmsd-from-minima", f"RMSD of ff14SB {word}", 2.92),
    )
    facts = {"reference": f"GFN2-xTB {word}", "models": {"sum": "sum of n-mers", "ff14sb": f"ff14SB {word}"}}
    data = {"surface.phi": Column(np.zeros(2), "degree", "phi")}
    return Findings(results, data, facts, notes=(f"run for 5 of 20 ps {word}",), seconds=130.0)


def page(value: float | None = 2.0, word: str = "") -> FamilyPage:
    gate = Check("stability", f"Stability {word}", f"A sum must hold {word}.", lambda *_: findings(0.0), gate=True)
    check = replace(gate, name="ramachandran", title=f"Ramachandran {word}", gate=False, draw=drawn)
    return FamilyPage(
        f"polyalanine {word}",
        "family",
        Purpose("candidate", "bad", (f"Not released {word}.",)),
        [
            Member("ch", f"ch@1 {word}", GOOD, f"GFN2-xTB {word}", 120, 0.07, 6, 6, "../ch@1/report.html"),
            Member("ch3"),
        ],
        [
            Measured(gate, findings(value, word)),
            Measured(check, findings(value, word), f"check:polyalanine@1 {word}", "", [f"step 30 {word}"]),
            Measured(replace(check, name="rdf", title=f"RDF {word}"), None, "", f"no water {word}"),
        ],
        ["AceAlaNme"],
        f"V_phys {word}",
        [Table(["figure", "ours", word], [[f"RMSD {word}", 1.25, None]], f"Alanine dipeptide {word}", 2)],
        [Snippet(f"Python {word}", f"import nmer  # {word}")],
        Made([("potential", f"ch@1 {word}", "ab" * 32, "2026", word)], [(word, word, "10.1/x")], word, word, word),
    )  # fmt: skip


def test_the_answer_comes_first_and_all_gates_and_checks_are_there() -> None:
    html = family_page(page())
    text = text_of(html)
    for words in (
        "Not released", "1 of 2 released", "0 of 1 passed", "contacts below their floor : 2 (limit ≤ 0)",
        "What to do: sample conh-ch-conh", "Reference: GFN2-xTB", "Measured in 2 min 10 s", "missing in the store",
        "run for 5 of 20 ps", "rdf (RDF ): no water", "ramachandran: step 30", "0 of 1 figures",
        "ff14SB", "2.92", "check:polyalanine@1",
    ):  # fmt: skip
        assert words in text, words
    assert text.index("Not released") < text.index("0 of 1 passed") < text.index("Gates of the sum")
    links = check_page(html)
    tables = {f"tables/{name}-surface.csv" for name in ("stability", "ramachandran")}
    assert links == {"../ch@1/report.html", "ramachandran-surface.csv", "ramachandran-surface.png"} | tables


def test_a_figure_that_could_not_be_measured_is_no_zero() -> None:
    text = text_of(family_page(page(None)))
    assert "contacts below their floor : – (limit ≤ 0)" in text
    assert "1 of 1 passed" in text_of(family_page(page(0.0)))


def test_every_text_is_escaped() -> None:
    html = family_page(page(word=HOSTILE))
    assert "<script" not in html and html.count("&lt;script&gt;") > 25
    check_page(html)


def test_figures_of_force_fields_stand_beside_those_of_the_sum() -> None:
    found = Findings(
        (
            Result("ala3-sd", "spread of the sum", 1.0),
            Result("ala3-ff14sb-sd", "spread of ff14SB", 4.0),
            Result("ff19sb-largest", "largest of ff19SB", 5.0),
            Result("drift", "drift of the sum", 1e-6, 1e-5),
        ),
        facts={"models": ["sum", "ff14SB", "ff19SB"]},
    )
    table = beside(found)
    assert table is not None and table.heads == ["figure", "sum of n-mers", "ff14SB", "ff19SB"]
    assert table.rows == [["Spread", 1.0, 4.0, None], ["Largest of ff19SB", None, None, 5.0]]
    assert beside(Findings((Result("drift", "drift", 1e-6, 1e-5),))) is None


def test_the_table_of_the_papers_has_our_columns_and_theirs() -> None:
    table = dipeptide_table({"ramachandran": findings(0.0), "rdf": findings(0.0)})
    assert table is not None
    assert table.heads == ["figure", "sum of n-mers", "ff14SB ", "paper I", "paper I: ff14SB "]
    assert table.rows == [["RMSD ", 12.0, 2.92, 1.27, 6.33]]
    assert table.note.startswith("Reference: GFN2-xTB . The reference of paper I is DLPNO-CCSD(T)")
    assert dipeptide_table({"rdf": findings(0.0)}) is None
