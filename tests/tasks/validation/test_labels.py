"""What the report says of the labels."""

from __future__ import annotations

from tasks.validation.sections import cost_rows, label_sentence, trust_sentences

COST = {
    "labels": 120,
    "cpu_hours": 0.2,
    "cpu_seconds": 5.5,
    "memory": 0.31,
    "expected_cpu_hours": 0.15,
    "expected_cpu_seconds": 4.4229,
    "expected_memory": None,
    "expected_from": "formula",
}


def test_how_labels_ended_is_one_sentence() -> None:
    facts = {"labels": 117, "flagged_labels": 2, "out_of_memory_labels": 1, "cost": COST}
    expected = "117 of 120 labels are in the dataset; 2 flagged (left out), 1 ran into the memory limit."
    assert label_sentence(facts) == expected
    assert "2 flagged (kept)" in label_sentence(facts | {"flagged_kept": True})
    assert label_sentence({"labels": 20}) == "20 labels are in the dataset; none was flagged or failed."


def test_expected_cost_stands_beside_the_measured_one() -> None:
    rows = {what: (expected, measured) for what, expected, measured in cost_rows({"cost": COST})}
    assert rows["CPU-seconds of a label (median)"] == (4.4229, 5.5)
    assert rows["largest memory of a process (GiB)"] == (None, 0.31)
    assert cost_rows({}) == []  # a dataset of the first release


def test_what_is_known_away_from_the_data_is_said() -> None:
    assert trust_sentences({}) == []
    said = trust_sentences({"uncertainty": 0.02, "error_over_uncertainty": 1.5})
    assert len(said) == 1 and "0.02 kcal/mol" in said[0] and "1.5 times" in said[0]
    near = {"search": "walk", "energy": -20.0, "below": 14.5}
    (deep,) = trust_sentences({"holes": [near | {"below": 2.0}, near]})
    assert "14.5 kcal/mol below" in deep and "it is a hole" in deep
    (fine,) = trust_sentences({"holes": [near | {"below": -3.0}]})
    assert "3 kcal/mol above" in fine and "hole:" not in fine
    found = trust_sentences({"holes": [near | {"what": "O..H at 0.3 A"}], "whole": {"note": "xtb stands in"}})
    assert "the whole n-mer at 700 K reaches (walk, O..H at 0.3 A)" in found[0] and found[1] == "Xtb stands in."
