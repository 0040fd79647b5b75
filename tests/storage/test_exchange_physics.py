"""Exports of a potential that was fitted over V_phys: the JSON document and its damages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from storage.exchange import json_document
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import PotentialSubject
from tasks.sums.loading import load
from tests.tasks.fitting.test_physics_baseline import PLANTED, TEST

SUBJECT = PotentialSubject(PLANTED, {"key": "k"})


def test_json_carries_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.json"
    _, said = write_export(FORMATS.get("json"), SUBJECT, path)
    assert "bit for bit" in said
    again = load(path)
    assert again.physics_digest == PLANTED.physics_digest
    np.testing.assert_array_equal(again.energy(TEST), PLANTED.energy(TEST))
    assert json_document.main(path) == 0 and "holds" in capsys.readouterr().out
    document = json.loads(path.read_text())
    assert document["nmer_potential_format"] == 2
    for field, value, said in (
        ("charge", [0.0] * len(document["physics"]["types"]), "digest"),
        ("atoms", ["\x1b"] * 8, "printable"),
        ("types", None, "damaged"),
    ):
        path.write_text(json.dumps(document | {"physics": document["physics"] | {field: value}}))
        with pytest.raises(InputError, match=said):
            load(path)
