"""The page of a family: the answer first, every gate and check, every text escaped, nothing from outside."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from tasks.checks.interface import Check, Findings, Result
from tasks.checks.page import FamilyPage, Measured, Member, family_page
from tasks.pages.render import Made, Snippet, Table
from tasks.plot import Plot
from tests.tasks.pages.looks import check_page, text_of

HOSTILE = '<script>alert("x")</script>'


def drawn(findings: Findings) -> list[Plot]:
    figure = Figure(figsize=(9.0, 4.2))
    figure.subplots().plot([0, 1])
    return [Plot.of("surface", figure, ["x"], [[1.0]])]


def findings(value: float | None, word: str = "") -> Findings:
    results = (
        Result("contact", f"contacts below their floor {word}", value, 0.0, advice=f"sample conh-ch-conh {word}"),
        Result("frames", f"frames {word}", 12.0),
    )
    facts = {"reference": f"GFN2-xTB {word}", "others": {f"ff14SB {word}": {"frames": 2.92}}}
    return Findings(results, facts=facts, notes=(f"run for 5 of 20 ps {word}",), seconds=130.0)


def page(value: float | None = 2.0, word: str = "") -> FamilyPage:
    gate = Check("stability", f"Stability {word}", f"A sum must hold {word}.", lambda *_: findings(0.0), gate=True)
    check = replace(gate, name="ramachandran", title=f"Ramachandran {word}", gate=False, draw=drawn)
    return FamilyPage(
        f"polyalanine {word}",
        "family",
        "candidate",
        [f"Not released {word}."],
        [
            Member("ch", f"ch@1 {word}", "released", f"GFN2-xTB {word}", 120, 0.07, 6, 6, "../ch@1/report.html"),
            Member("ch3"),
        ],
        [
            Measured(gate, findings(value, word)),
            Measured(check, findings(value, word), f"check:polyalanine@1 {word}"),
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
        "Not released", "1 of 2 released", "0 of 1 passed", "What failed: contacts below their floor : 2, limit 0",
        "What to do: sample conh-ch-conh", "Reference: GFN2-xTB", "Measured in 2.17 min", "missing in the store",
        "run for 5 of 20 ps", "RDF : no water", "ff14SB", "2.92", "check:polyalanine@1",
    ):  # fmt: skip
        assert words in text, words
    assert text.index("Not released") < text.index("0 of 1 passed") < text.index("Gates of the sum")
    links = check_page(html)
    assert {"../ch@1/report.html", "ramachandran-surface.csv", "ramachandran-surface.png"} <= links


def test_a_figure_that_could_not_be_measured_is_no_zero() -> None:
    text = text_of(family_page(page(None)))
    assert "contacts below their floor : –, limit 0" in text
    assert "1 of 1 passed" in text_of(family_page(page(0.0)))


def test_every_text_is_escaped() -> None:
    html = family_page(page(word=HOSTILE))
    assert "<script" not in html and html.count("&lt;script&gt;") > 25
    check_page(html)
