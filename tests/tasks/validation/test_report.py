"""The page of a potential: the answer first, all gates, plots with their numbers, no text that is not escaped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from storage.quality import Purpose
from tasks.metrics import LearningPoint, errors, errors_by_energy
from tasks.pages.plots import error_by_energy_plot, learning_plot
from tasks.pages.render import Made, Picture, Snippet, Table
from tasks.parity import energy_parity
from tasks.validation.report import Report, Section, report_html
from tests.tasks.pages.looks import check_page, text_of

HOSTILE = '<script>alert("x")</script>'
REFERENCE = np.linspace(0.0, 70.0, 40)
PREDICTED = REFERENCE + 0.1 * np.sin(np.arange(40))
SPLIT = (np.arange(40) % 4 == 0).astype(np.int64)


def report(word: str = "", passed: bool = False) -> Report:
    train, test = (errors(PREDICTED[n == SPLIT], REFERENCE[n == SPLIT]) for n in (0, 1))
    windows = [errors_by_energy(PREDICTED[n == SPLIT], REFERENCE[n == SPLIT], 0.0) for n in (0, 1)]
    names = tuple(f"c{n}" for n in range(40))
    plots = [
        energy_parity(f"a title {word}", REFERENCE, PREDICTED, SPLIT, names, train, test),
        error_by_energy_plot(*windows, f"HF {word}"),
        learning_plot([LearningPoint(15, train, test), LearningPoint(30, train, test)], f"HF {word}"),
    ]
    gates = [
        {
            "name": name, "meaning": f"{name} is measured {word}", "value": 0.1, "limit": 0.05 if passed else 0.5,
            "passed": ok, "at_least": not ok, "advice": f"sample more {word}",
        }
        for name, ok in (("train_rmsd", True), ("holes", passed))
    ]  # fmt: skip
    table = Table([f"cost {word}", "measured"], [[f"CPU-hours {word}", 0.2]], f"Cost {word}", 1)
    return Report(
        f"x@1 {word}",
        f"a title {word}",
        Purpose(f"candidate {word}", "bad", (f"Not released {word}.",)),
        train,
        test,
        f"HF {word}",
        gates,
        4400,
        82,
        (0.05, 0.14),
        windows[1],
        [Picture(plot, f"{plot.name}, against HF {word}") for plot in plots],
        [Section(f"Labels {word}", [(f"engine {word}", f"xtb {word}")], [f"a sentence {word}"], [table])],
        [f"the lowest place {word}"],
        [f"few labels {word}"],
        [Snippet(f"Python {word}", f"import nmer {word}")],
        Made([("pool", f"pool:x@1 {word}", "ab" * 32, "2026", word)], [(word, word, "10.1/x")], word, word, word),
        f"a = 1 {word}",
    )


def test_the_answer_comes_before_the_details() -> None:
    text = text_of(report_html(report()))
    order = (
        "Not released", "test RMSD (kcal/mol)", "paper: 0.14", "4,400", "What to do: sample more",
        "the lowest place", "Errors against the labels", "How it was made Labels", "Cost", "import nmer",
        "pool:x@1", "Papers to cite",
    )  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert text.index("Not released") < text.index("What failed: holes is measured : 0.1") < places[1]
    assert "sample more" in text and "What failed" not in text_of(report_html(report(passed=True)))
    for window in ("0 to 10", "10 to 30", "30 to 60", "60 to 100"):
        assert window in text


def test_every_plot_comes_with_its_numbers() -> None:
    names = ("parity", "error-by-energy", "learning-curve")
    links = check_page(report_html(report()))
    assert links == {f"{name}.{kind}" for name in names for kind in ("csv", "png")}
    rows = dict(zip(names, (picture.plot.csv.splitlines() for picture in report().pictures), strict=True))
    assert len(rows["parity"]) == 41 and rows["error-by-energy"][1].startswith("train,0.0,10.0,")
    assert rows["learning-curve"][1].startswith("15,") and len(rows["learning-curve"]) == 3
    for picture in report().pictures:
        assert picture.width == 500 and picture.least < 376  # readable on a screen of 400 pixels, and not cut


def test_a_candidate_without_verdict_has_a_page() -> None:
    none = errors(np.empty(0), np.empty(0))
    empty = Report("x@1", "t", Purpose("candidate", "bad", ("Not released.",)), none, none)
    html = report_html(empty)
    assert check_page(html) == set()
    text = text_of(html)
    assert "0 of 0 passed" in text and "nan" not in text and "level not stated" in text


@pytest.mark.parametrize("number", range(2))
def test_every_text_is_escaped(number: int) -> None:
    html = report_html(report((HOSTILE, "{{ 7 * 7 }} & <img src=x onerror=y>")[number]))
    assert (
        "<script" not in html and "<img src=x" not in html and "49" not in text_of(html).split("a title")[1][:20]
    )
    check_page(html)
    assert html.count(("&lt;script&gt;", "&lt;img src=x")[number]) > 25


def test_the_tone_is_that_of_the_purpose() -> None:
    smoke = replace(report(passed=True), purpose=Purpose("released: a smoke run", "warn", ("Released, but.",)))
    html = report_html(smoke)
    assert '<span class="badge warn">released: a smoke run</span>' in html and 'class="answer warn"' in html


def test_levels_and_gradients_have_their_rows() -> None:
    """Each further level is named as the difference that it is, with its labels, their cost, and its errors."""
    low = {"title": "GFN2-xTB", "train": 500, "test": 60, "cpu_seconds": 720.0, "terms": 82, "rms": 4.25}
    high = {"title": "HF/sto-3g", "train": 40, "test": 16, "cpu_seconds": None, "terms": 6, "rms": 0.75}
    errors_of = {"train_rmsd": 0.11, "validation": 0.22, "test_rmsd": 0.33}
    slopes = errors(np.array([0.5, -0.5]), np.zeros(2)), errors(np.array([0.9]), np.zeros(1))
    levels = [low | errors_of, high | {name: None for name in errors_of}]
    html = report_html(replace(report(), levels=levels, gradients=slopes))
    check_page(html)
    text = text_of(html)
    assert "GFN2-xTB500600.2824.250.110.220.33" in text  # cells, without what is between them
    assert "HF/sto-3g minus GFN2-xTB4016" in text and "; 560 of GFN2-xTB" in text
    assert "500 training configurations" in text
    assert "gradients against the labels (kcal/mol/A)" in text and "training20.50.50.5" in text
    plain = text_of(report_html(report()))
    assert "Levels:" not in plain and "gradients" not in plain
