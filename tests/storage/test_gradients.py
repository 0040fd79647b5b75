"""Gradients in the spool and the ledger: the same bits, old ledgers brought up, and nothing wrong taken in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from storage.bundle_labels import entry_of, read_labels
from storage.gradients import array_of, bytes_of, encode_gradient, text_of
from storage.keys import digest
from storage.ledger import Counts, Ledger
from storage.spool import SpoolWriter, decode, encode
from storage.verify.labels import check_labels

GRADIENT = np.random.default_rng(1).standard_normal((5, 3)) * 10.0 ** np.arange(-12, 3).reshape(5, 3)


def entry(configuration: str, part: str = "AB", **more: Any) -> dict[str, Any]:
    values = {"configuration": configuration, "protocol": "p", "part": part, "status": "ok", "finished": 1.0}
    return values | {"energy": -1.5, "gradient": encode_gradient(GRADIENT)} | more


def test_a_gradient_comes_back_to_the_last_bit() -> None:
    line = encode(entry("c"))
    back = decode(line.rstrip(b"\n"))
    assert back is not None
    stored = bytes_of(back["gradient"])
    assert stored is not None and text_of(stored) == back["gradient"]
    assert array_of(stored).tobytes() == GRADIENT.tobytes()
    assert len(back["gradient"]) <= 1.4 * GRADIENT.nbytes


@pytest.mark.parametrize(
    "wrong", [np.full((2, 3), np.nan), np.full((2, 3), np.inf), np.zeros((2, 2)), np.zeros((0, 3))]
)
def test_what_is_no_gradient_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="gradient"):
        encode_gradient(wrong)


@pytest.mark.parametrize("text", ["", "%%%", "AAAA", 7, encode_gradient(GRADIENT)[:-4], "////" * 8])
def test_a_damaged_text_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="gradient"):
        bytes_of(text)


def test_the_ledger_has_them_by_both_ways(tmp_path: Path) -> None:
    other = GRADIENT[:2]
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("a"), entry("a", "A", gradient=encode_gradient(other))])
    with SpoolWriter(tmp_path / "spool") as spool:  # a writer that was killed before it reported
        spool.append(entry("b", gradient=encode_gradient(-GRADIENT)))
        spool.append(entry("c", status="failed", reason="why", energy=None, gradient=None))
    for way in (Ledger.read, Ledger.open, Ledger.read):
        with way(tmp_path) as ledger:
            found = ledger.gradients(["b", "a", "none", "a", "c"], "p", {"AB": 5, "A": 2})
            rows = ledger.rows(["a", "b"], "p")
        np.testing.assert_array_equal(found["AB"][[0, 1, 3]], [-GRADIENT, GRADIENT, GRADIENT])
        np.testing.assert_array_equal(found["A"][1], other)
        assert np.isnan(found["AB"][[2, 4]]).all() and np.isnan(found["A"][[0, 2, 4]]).all()
        assert rows["a"]["A"].gradient == other.tobytes() and rows["b"]["AB"].gradient == (-GRADIENT).tobytes()


def test_a_gradient_of_other_atoms_is_said(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("a")])
        with pytest.raises(InputError, match=r"ledger\.sqlite: the gradient of AB of a has 5 atoms; allowed: 4"):
            ledger.gradients(["a"], "p", {"AB": 4})


def test_a_ledger_of_the_second_format_is_read_and_brought_up(tmp_path: Path) -> None:
    """The fixture was written before there were gradients: MP2/STO-3G of three geometries of water."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((Path(__file__).parent / "ledger-format-2.sql").read_text())
        ids = [i for (i,) in database.execute("SELECT DISTINCT configuration FROM labels")]
        (protocol,) = database.execute("SELECT protocol FROM protocols").fetchone()
    before = path.read_bytes()
    with Ledger.read(tmp_path) as ledger:
        old = ledger.rows(ids, protocol)
        assert ledger.counts(ids, protocol, ["A"]) == Counts(done=3, failed=0, missing=0)
        assert np.isnan(ledger.gradients(ids, protocol, {"A": 3})["A"]).all()
    assert path.read_bytes() == before
    with Ledger.open(tmp_path) as ledger:
        assert ledger.rows(ids, protocol) == old
        assert all(row.gradient is None for parts in old.values() for row in parts.values())
        ledger.add([entry("c")])
    with Ledger.open(tmp_path) as ledger:  # and only once
        np.testing.assert_array_equal(ledger.gradients(["c"], "p", {"AB": 5})["AB"][0], GRADIENT)


def test_a_bundle_has_the_same_bits(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("a", host="n", details={"electrons": 10})])
        row = ledger.rows(["a"], "p")["a"]["AB"]
    path = tmp_path / "bundle.spool"
    path.write_bytes(encode(entry_of(row, "p")))
    (back,) = read_labels(path, ["p"])
    assert back["gradient"] == encode_gradient(GRADIENT)
    path.write_bytes(encode(entry_of(row, "p") | {"gradient": "AAAA"}))
    with pytest.raises(InputError, match="line of labels that is not a row of the ledger"):
        read_labels(path, ["p"])


def test_a_changed_gradient_is_found_by_verify(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "labels" / "spool") as spool:
        spool.append(entry("a"))
    Ledger.open(tmp_path / "labels").close()
    assert check_labels(tmp_path / "labels", tmp_path) == ([], [])
    with closing(sqlite3.connect(tmp_path / "labels" / "ledger.sqlite")) as database:
        database.execute("UPDATE labels SET gradient = ?", [(GRADIENT + 1e-9).tobytes()])
        database.commit()
    damages, _ = check_labels(tmp_path / "labels", tmp_path)
    assert ["is not what line 1 of" in str(one) for one in damages] == [True]


def test_a_row_that_lacks_its_gradient_is_found_by_verify(tmp_path: Path) -> None:
    settings = {"labelling": {"gradients": True}}
    protocol = digest(settings)
    with Ledger.open(tmp_path / "labels") as ledger:
        ledger.record_protocol(protocol, settings)
        ledger.add([entry("a", protocol=protocol), entry("b", protocol=protocol, gradient=None)])
    damages, _ = check_labels(tmp_path / "labels", tmp_path)
    assert [one.problem for one in damages] == ["1 rows that are ok have no gradient, which it has"]
