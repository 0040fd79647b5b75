"""What the report says of the labels."""

from __future__ import annotations

from tasks.validation.sections import cost_rows, label_sentence

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
