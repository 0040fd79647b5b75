"""What every gate promises: a sound potential passes it, a planted defect does not, and its verdict is kept."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.evaluation import Evaluation
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from recipes.load import expanded_toml, load_recipe, recipe_of_text
from recipes.registry import PLUGINS, missing
from recipes.schema.gates import GATES, Gates, gates
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids
from storage.contents import dataset_columns, potential_columns, potential_facts
from storage.keys import validation_key
from storage.records import TRAIN, Dataset
from storage.store import Store
from tasks.metrics import errors
from tasks.plan import resolve
from tasks.validation.bodies import Surroundings, find_bodies
from tasks.validation.gates.interface import Candidate, Verdict, judge, not_measured
from tasks.validation.reach import Effort
from tasks.validation.task import validation_task
from tasks.validation.whole import Whole
from tests.conftest import ROOT
from tests.tasks.validation.surfaces import Radial, Springs, hole, quiet, sampled

RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()
BASIS = Basis.build(NMER, 2, "intermolecular")
POSITIONS = sampled(NMER, 30)
SPLIT = (np.arange(30) >= 20).astype(np.int64)
COEFFICIENTS = np.random.default_rng(0).normal(size=BASIS.n_terms)
MEMBERS = COEFFICIENTS + 0.01 * np.random.default_rng(1).normal(size=(8, BASIS.n_terms))
SWITCHING = Switching((0, 5), 6.0, 8.0)
RANGES = training_ranges(NMER, SWITCHING, POSITIONS[SPLIT == TRAIN])
WIDE = RANGES * np.where(np.arange(RANGES.shape[1]) < 9, [[0.5], [2.0]], 1.0)
FINE = errors(np.zeros(3), np.full(3, 0.1))
QUICK = Effort(walkers=4, steps=20, stages=40, relaxations=6)


def built(kind: type[Potential] = Potential) -> Potential:
    k = np.full(len(BASIS.pair_names), 1.0)
    return kind(NMER, 2, "intermolecular", k, COEFFICIENTS, SWITCHING, ensemble=MEMBERS, ranges=RANGES)


def labels_of(potential: Potential) -> Dataset:
    """Return labels from which a potential differs by as much as it says."""
    unknown, noise = np.full(30, np.nan), np.where(np.arange(30) % 2, 1.0, -1.0)
    energy = np.asarray(potential.energy(POSITIONS)) + noise * np.asarray(potential.uncertainty(POSITIONS))
    return Dataset(
        positions=POSITIONS, split=SPLIT, t1=unknown, t2=unknown, d1=unknown, energy=energy,
        sub_energies=np.empty((30, 0)), sub_names=(), cpu_seconds=unknown,
        ids=tuple(configuration_ids(NMER, POSITIONS)),
    )  # fmt: skip


def around(extra: Radial | None = None) -> Surroundings:
    """Return the whole n-mer: springs, and a further energy between a hydrogen of CH3- and water's oxygen."""
    return Surroundings(Whole(quiet(NMER), (), (Springs(NMER, (2, 5), extra),)), 0.0)


LABELS = labels_of(built())
PREDICTED = np.asarray(built().energy(POSITIONS))
SOUND = Candidate(built(), FINE, FINE, 1.0, POSITIONS, None, LABELS, PREDICTED, around(), QUICK)


def with_term(found: Evaluation, positions: Floats, value: Floats, slope: Floats) -> Evaluation:
    """Return an evaluation with a further term, switched on and off as the potential is."""
    factor, change = SWITCHING.evaluate(positions)
    gradient = found.gradient + factor[:, None, None] * slope + value[:, None, None] * change
    return replace(found, energy=found.energy + factor * value, gradient=gradient)


class PrefersOneHydrogen(Potential):
    """Has a term of one C-H distance of three; its gradient knows of it."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        bond, slope = positions[:, 2] - positions[:, 0], np.zeros_like(positions)
        length = np.linalg.norm(bond, axis=1)
        slope[:, 2], slope[:, 0] = 0.1 * bond / length[:, None], -0.1 * bond / length[:, None]
        return with_term(super().evaluate(positions), positions, 0.1 * length, slope)


class FeelsAField(Potential):
    """Pulls all atoms along an axis; its gradient knows of it."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        slope = np.zeros_like(positions)
        slope[:, :, 0] = 0.01
        return with_term(super().evaluate(positions), positions, 0.01 * positions[:, :, 0].sum(axis=1), slope)


class SlopesTooMuch(Potential):
    """Has a gradient one per cent too long."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        found = super().evaluate(positions)
        return replace(found, gradient=1.01 * found.gradient)


class TurnsAround(Potential):
    """Has a small force without an energy within a fragment, where it is switched on."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        found = super().evaluate(positions)
        gradient = found.gradient.copy()
        force = 2e-6 * SWITCHING.evaluate(positions)[0][:, None] * (positions[:, 3] - positions[:, 4])
        gradient[:, 2] += force
        return replace(found, gradient=gradient)


@dataclass(frozen=True)
class Steps(Switching):
    """Has a step of 1e-6 at the inner radius."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        factor, gradient = super().evaluate(positions)
        times = np.where((self.distances(positions) > self.r_in).any(axis=1), 1.0 - 1e-6, 1.0)
        return factor * times, gradient * times[:, None, None]


class NeverEnds(Potential):
    """Leaves 1e-6 kcal/mol where it is switched off."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        found = super().evaluate(positions)
        return replace(found, energy=found.energy + 1e-6)


@dataclass(frozen=True)
class Lost(Switching):
    """Gives no number."""

    def evaluate(self, positions):  # type: ignore[no-untyped-def]
        factor, gradient = super().evaluate(positions)
        return factor * np.nan, gradient * np.nan


DEFECTS = {
    "train_rmsd": replace(SOUND, train=errors(np.zeros(3), np.full(3, 0.6))),
    "test_rmsd": replace(SOUND, test=errors(np.zeros(3), np.full(3, 0.6))),
    "permutation": replace(SOUND, potential=built(PrefersOneHydrogen)),
    "motion": replace(SOUND, potential=built(FeelsAField)),
    "gradient": replace(SOUND, potential=built(SlopesTooMuch)),
    "labels": replace(SOUND, usable_labels=0.9),
    "jacobian": replace(SOUND, potential=built(TurnsAround)),
    "switching": replace(SOUND, potential=replace(built(), switching=Steps((0, 5), 6.0, 8.0))),
    "long_range": replace(SOUND, potential=built(NeverEnds)),
    "holes": replace(SOUND, around=around(hole(1.5, 0.4, 60.0))),
    "uncertainty": replace(
        SOUND, potential=replace(built(), ensemble=COEFFICIENTS + 10 * (MEMBERS - COEFFICIENTS))
    ),
    "outside": replace(SOUND, potential=replace(built(), ranges=WIDE)),
}
"""A candidate for each gate that passes all the others; the list of the gates that this suite tests."""

ENERGIES = tuple(name for name in DEFECTS if name != "outside")
"""The gates that look at energies."""


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
    assert all(verdict.passed and not verdict.advice for verdict in found) and not not_measured(SOUND)
    assert found[0].value == pytest.approx(0.1) and found[0].limit == 0.5


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_fails_its_gate_alone(name: str) -> None:
    failed = [verdict for verdict in judge(DEFECTS[name], Gates.of()) if not verdict.passed]
    assert [verdict.name for verdict in failed] == [name]
    gate, verdict = GATES.get(name), failed[0]
    assert verdict.advice and "\n" not in verdict.advice
    assert verdict.limit == gate.limit and verdict.meaning == gate.title
    assert verdict.value < verdict.limit if gate.at_least else verdict.value > verdict.limit
    allowed = min(1.0, verdict.value) if gate.at_least else 1.1 * verdict.value
    assert all(v.passed for v in judge(DEFECTS[name], Gates.of(**{name: allowed})))


@pytest.mark.parametrize("name", ENERGIES)
def test_what_is_no_number_fails(name: str) -> None:
    class Unknown(Potential):
        def evaluate(self, positions):  # type: ignore[no-untyped-def]
            found = super().evaluate(positions)
            return replace(found, energy=found.energy * np.nan, gradient=found.gradient * np.nan)

    class NoEnergy(Springs):
        def energy_and_gradient(self, positions):  # type: ignore[no-untyped-def]
            energy, gradient = super().energy_and_gradient(positions)
            return np.nan * energy, np.nan * gradient

    nothing, lost = errors(np.empty(0), np.empty(0)), Surroundings(Whole(quiet(NMER), (), (NoEnergy(NMER),)))
    unknown = Candidate(
        built(Unknown), nothing, nothing, float("nan"), POSITIONS, None, LABELS, PREDICTED * np.nan, lost, QUICK
    )
    if name == "switching":
        unknown = replace(unknown, potential=replace(built(), switching=Lost((0, 5), 6.0, 8.0)))
    assert name in [verdict.name for verdict in judge(unknown, Gates.of()) if not verdict.passed]


def test_the_table_of_the_docs_is_what_the_gates_declare() -> None:
    page = (ROOT / "docs" / "fitting.md").read_text()
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (at most|at least) ([\d.e-]+) \|", page, re.MULTILINE)
    assert found == [(g.name, g.title, "at least" if g.at_least else "at most", f"{g.limit:g}") for g in gates()]


def stored(folder: Path) -> tuple[Store, str]:
    """Return a store with a dataset that a potential fits but for its uncertainty, and the potential's key."""
    store, potential = Store(folder, create=True), built()
    common = {"recipe": expanded_toml(RECIPE), "engines": {"nmer": "0"}}
    facts = potential_facts(potential, RECIPE.nmer) | {"warnings": []}
    with store.writing():
        data = store.add(
            "dataset", RECIPE.name, "a" * 64, columns=dataset_columns(LABELS), inputs=[],
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
    bodies = find_bodies(store, store.get("potential", potential)).keys
    assert key == validation_key(recipe, potential, bodies) != validation_key(recipe, potential)
    facts = store.get("validation", key).attributes()["facts"]
    assert facts["passed"] is all(gate["passed"] for gate in facts["gates"])
    return {gate["name"]: gate for gate in facts["gates"]}


def test_verdicts_are_stored_and_decide_the_release(tmp_path: Path) -> None:
    store, potential = stored(tmp_path / "store")
    for limit, status in ((1e-6, "candidate"), (0.5, "released")):
        recipe = of_thirty(train_rmsd=limit, holes=1e6)  # its coefficients are drawn at random
        found = validated(store, recipe, potential)
        assert list(found) == list(DEFECTS)
        assert found["train_rmsd"]["limit"] == limit and 1e-6 < found["train_rmsd"]["value"] < 0.5
        assert set(found["motion"]) == {"name", "meaning", "value", "limit", "passed"}
        assert ("advice" in found["train_rmsd"]) is (status == "candidate")
        verdicts = [Verdict.of_stored(gate) for gate in found.values()]
        assert [v.at_least for v in verdicts] == [gate.at_least for gate in gates()]
        assert [v.as_dict() for v in verdicts] == list(found.values())
        version = store.get("potential", potential)
        assert store.status(version) == status
        page = (store.report(version) / "report.html").read_text()
        assert all(gate.title in page for gate in GATES) and status in page
        facts = store.verdict(version).attributes()["facts"]  # type: ignore[union-attr]
        assert facts["not_measured"] == {} and facts["whole"]["bodies"]["water"] == "q-TIP4P/F"


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
    assert validated(store, of_thirty(holes=1e6), potential)["terms"]["passed"] is True
    assert store.status(version) == "released"


def test_verdicts_of_earlier_releases_are_read() -> None:
    """They have no advice, and do not say which figures must be large."""
    before = {"name": "labels", "meaning": "fraction", "value": 0.9, "limit": 0.95, "passed": False}
    found = Verdict.of_stored(before)
    assert found.at_least and not found.advice and found.as_dict() == before | {"at_least": True}
    gone = Verdict.of_stored(before | {"name": "of-a-plugin"})
    assert not gone.at_least and not gone.passed


def test_what_cannot_be_measured_is_said() -> None:
    bare = Candidate(replace(built(), ensemble=None, switching=None, ranges=None), FINE, FINE, 1.0, POSITIONS)
    why = not_measured(bare)
    assert list(why) == ["switching", "holes", "uncertainty", "outside"]
    assert why["uncertainty"] == "it has no ensemble, and so no uncertainty" and all(why.values())
    assert set(why).isdisjoint(verdict.name for verdict in judge(bare, Gates.of()))


def test_recipes_written_before_keep_their_limits() -> None:
    """And so their keys; today's defaults are for recipes that are read today."""
    later = {"motion", "jacobian", "switching", "long_range", "holes", "uncertainty", "outside"}
    text = "\n".join(line for line in expanded_toml(RECIPE).splitlines() if line.split(" = ")[0] not in later)
    before = recipe_of_text(text).gates
    assert (before.motion, RECIPE.gates.motion) == (1e-8, 1e-9)  # type: ignore[attr-defined]
    assert not later & set(before.content()) and later <= set(RECIPE.gates.content())
    assert all(verdict.passed for verdict in judge(DEFECTS["holes"], before))


@pytest.mark.usefixtures("toy")
def test_a_text_of_before_a_gate_stands_for_its_absence() -> None:
    before = "\n".join(line for line in expanded_toml(RECIPE).splitlines() if not line.startswith("terms = 1000"))
    assert recipe_of_text(before).gates.terms == 1e9  # type: ignore[attr-defined]
    assert "terms" not in recipe_of_text(before).gates.content()
