"""What every gate promises: a sound potential passes it, a planted defect does not, and its verdict is kept."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.load import expanded_toml, load_recipe, recipe_of_text
from recipes.registry import PLUGINS, missing
from recipes.schema.gates import GATES, Gates, gates
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids
from storage.contents import dataset_columns, potential_columns, potential_facts
from storage.keys import validation_key
from storage.records import Dataset
from storage.store import Store
from tasks.metrics import errors
from tasks.plan import resolve
from tasks.validation.gates.interface import Candidate, judge
from tasks.validation.task import validation_task
from tests.conftest import ROOT

RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()
BASIS = Basis.build(NMER, 2, "intermolecular")
POSITIONS = NMER.positions + np.random.default_rng(3).normal(scale=0.1, size=(30, NMER.natoms, 3))
FINE = errors(np.zeros(3), np.full(3, 0.1))


def built(kind: type[Potential] = Potential) -> Potential:
    coefficients = np.random.default_rng(0).normal(size=BASIS.n_terms)
    return kind(NMER, 2, "intermolecular", np.full(len(BASIS.pair_names), 1.0), coefficients)


SOUND = Candidate(built(), FINE, FINE, 1.0, POSITIONS)


class PrefersOneHydrogen(Potential):
    """Has a term of one C-H distance of three; its gradient knows of it."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        found = super().evaluate(positions)
        bond = positions[:, 2] - positions[:, 0]
        length, gradient = np.linalg.norm(bond, axis=1), found.gradient.copy()
        gradient[:, 2] += 0.1 * bond / length[:, None]
        gradient[:, 0] -= 0.1 * bond / length[:, None]
        return replace(found, energy=found.energy + 0.1 * length, gradient=gradient)


class FeelsAField(Potential):
    """Pulls all atoms along an axis; its gradient knows of it."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        found = super().evaluate(positions)
        energy = found.energy + 0.01 * positions[:, :, 0].sum(axis=1)
        return replace(found, energy=energy, gradient=found.gradient + np.array([0.01, 0.0, 0.0]))


class SlopesTooMuch(Potential):
    """Has a gradient one per cent too long."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        found = super().evaluate(positions)
        return replace(found, gradient=1.01 * found.gradient)


DEFECTS = {
    "train_rmsd": replace(SOUND, train=errors(np.zeros(3), np.full(3, 0.6))),
    "test_rmsd": replace(SOUND, test=errors(np.zeros(3), np.full(3, 0.6))),
    "permutation": replace(SOUND, potential=built(PrefersOneHydrogen)),
    "motion": replace(SOUND, potential=built(FeelsAField)),
    "gradient": replace(SOUND, potential=built(SlopesTooMuch)),
    "labels": replace(SOUND, usable_labels=0.9),
}
"""A candidate for each gate that passes all the others; the list of the gates that this suite tests."""


def test_every_gate_has_its_defect_here() -> None:
    assert set(GATES.names()) == set(DEFECTS)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_gate_says_what_it_is(name: str) -> None:
    gate = GATES.get(name)
    assert gate.title and missing(gate) is None
    papers = tomllib.loads((ROOT / "storage" / "papers.toml").read_text())
    assert set(gate.papers) <= set(papers)
    section = Gates.declared().model_fields[name]
    assert section.default == gate.limit and gate.title in str(section.description)


def test_a_sound_potential_passes_all_in_the_order_of_the_report() -> None:
    found = judge(SOUND, Gates.of())
    assert [verdict.name for verdict in found] == list(DEFECTS)
    assert all(verdict.passed for verdict in found)
    assert found[0].value == pytest.approx(0.1) and found[0].limit == 0.5


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_fails_its_gate_alone(name: str) -> None:
    failed = [verdict for verdict in judge(DEFECTS[name], Gates.of()) if not verdict.passed]
    assert [verdict.name for verdict in failed] == [name]
    gate, verdict = GATES.get(name), failed[0]
    assert verdict.limit == gate.limit and verdict.meaning == gate.title
    assert verdict.value < verdict.limit if gate.at_least else verdict.value > verdict.limit
    allowed = min(1.0, verdict.value) if gate.at_least else 1.1 * verdict.value
    assert all(v.passed for v in judge(DEFECTS[name], Gates.of(**{name: allowed})))


@pytest.mark.parametrize("name", DEFECTS)
def test_what_is_no_number_fails(name: str) -> None:
    class Unknown(Potential):
        def evaluate(self, positions):  # type: ignore[no-untyped-def]
            found = super().evaluate(positions)
            return replace(found, energy=found.energy * np.nan, gradient=found.gradient * np.nan)

    nothing = errors(np.empty(0), np.empty(0))
    unknown = Candidate(built(Unknown), nothing, nothing, float("nan"), POSITIONS)
    assert name in [verdict.name for verdict in judge(unknown, Gates.of()) if not verdict.passed]


def test_the_table_of_the_docs_is_what_the_gates_declare() -> None:
    page = (ROOT / "docs" / "fitting.md").read_text()
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (at most|at least) ([\d.e-]+) \|", page, re.MULTILINE)
    assert found == [(g.name, g.title, "at least" if g.at_least else "at most", f"{g.limit:g}") for g in gates()]


def stored(folder: Path) -> tuple[Store, str]:
    """Return a store with a dataset that a potential fits but for 0.1 kcal/mol, and the potential's key."""
    store, potential = Store(folder, create=True), built()
    unknown = np.full(len(POSITIONS), np.nan)
    dataset = Dataset(
        positions=POSITIONS, split=(np.arange(30) >= 20).astype(np.int64), t1=unknown, t2=unknown, d1=unknown,
        energy=np.asarray(potential.energy(POSITIONS)) + 0.1, sub_energies=np.empty((30, 0)), sub_names=(),
        cpu_seconds=unknown, ids=tuple(configuration_ids(NMER, POSITIONS)),
    )  # fmt: skip
    common = {"recipe": expanded_toml(RECIPE), "engines": {"nmer": "0"}}
    facts = potential_facts(potential, RECIPE.nmer) | {"warnings": []}
    with store.writing():
        data = store.add(
            "dataset", RECIPE.name, "a" * 64, columns=dataset_columns(dataset), inputs=[],
            facts={"labels": 30}, **common,
        )  # fmt: skip
        store.add(
            "potential", RECIPE.name, "b" * 64, columns=potential_columns(potential), inputs=[data], facts=facts,
            **common,
        )  # fmt: skip
    return store, "b" * 64


def of_thirty(**limits: float) -> Recipe:
    """Return the recipe of the stored dataset, with some limits of gates."""
    selection = RECIPE.selection.model_copy(update={"train": 20, "test": 10})
    return RECIPE.model_copy(update={"selection": selection, "gates": Gates.of(**limits)})


def validated(store: Store, recipe: Recipe, potential: str) -> dict[str, dict[str, object]]:
    """Run the validation stage; return the verdicts that the store has then, by name."""
    with store.writing():
        key = validation_task.fn(resolve(recipe), store.path, potential)
    assert key == validation_key(recipe, potential)
    facts = store.get("validation", key).attributes()["facts"]
    assert facts["passed"] is all(gate["passed"] for gate in facts["gates"])
    return {gate["name"]: gate for gate in facts["gates"]}


def test_verdicts_are_stored_and_decide_the_release(tmp_path: Path) -> None:
    store, potential = stored(tmp_path / "store")
    for limit, status in ((0.05, "candidate"), (0.5, "released")):
        recipe = of_thirty(train_rmsd=limit)
        found = validated(store, recipe, potential)
        assert list(found) == list(DEFECTS)
        assert found["train_rmsd"]["limit"] == limit and found["train_rmsd"]["value"] == pytest.approx(0.1)
        assert set(found["motion"]) == {"name", "meaning", "value", "limit", "passed"}
        version = store.get("potential", potential)
        assert store.status(version) == status
        page = (store.report(version) / "report.html").read_text()
        assert all(gate.title in page for gate in GATES) and status in page


TOY = """
from tasks.validation.gates.interface import Gate

GATE = Gate(
    name="terms",
    title="number of terms",
    measure=lambda candidate: float(len(candidate.potential.coefficients)),
    limit=1000.0,
    absent=1e9,
)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Declare a gate in a file of its own."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "toy_gate.py").write_text(TOY)
    monkeypatch.setenv(PLUGINS, str(folder))
    GATES.forget()
    yield
    GATES.forget()


@pytest.mark.usefixtures("toy")
def test_a_gate_in_one_file_of_its_own_is_a_gate_like_all_others(tmp_path: Path) -> None:
    assert list(Gates.declared().model_fields)[-1] == "terms"
    store, potential = stored(tmp_path / "store")
    text = expanded_toml(of_thirty(terms=50))
    recipe = recipe_of_text(text)
    assert recipe.gates == Gates.of(terms=50) and "terms = 50" in text
    found = validated(store, recipe, potential)
    assert found["terms"]["value"] == BASIS.n_terms == 82 and found["terms"]["passed"] is False
    version = store.get("potential", potential)
    assert store.status(version) == "candidate"
    assert "number of terms" in (store.report(version) / "report.html").read_text()
    assert validated(store, of_thirty(), potential)["terms"]["passed"] is True
    assert store.status(version) == "released"


@pytest.mark.usefixtures("toy")
def test_a_text_of_before_a_gate_stands_for_its_absence() -> None:
    before = "\n".join(line for line in expanded_toml(RECIPE).splitlines() if not line.startswith("terms = 1000"))
    assert recipe_of_text(before).gates.terms == 1e9  # type: ignore[attr-defined]
    assert "terms" not in recipe_of_text(before).gates.content()
