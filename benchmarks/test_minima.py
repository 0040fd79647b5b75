"""Which optimizer needs fewest energies for a reference minimum, printed and not judged.

pytest -m benchmark -s benchmarks/test_minima.py; other optimizers than SciPy's and ours take part where they are
installed: pip install geometric sella.
"""

from __future__ import annotations

import logging.config
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS
from ase.units import Bohr, Hartree

from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe, shipped_recipes
from tasks.labelling.engines.hartree_fock import HartreeFock
from tasks.labelling.engines.interface import Surface
from tasks.labelling.engines.registry import new_engine
from tasks.labelling.optimize import Floats, Start, find_start, minimise
from tasks.labelling.reference import reference_molecules

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]
STEPS = 300
TIGHT = 4.5e-4 * Hartree / Bohr
"""Largest force of an atom at which ASE's optimizers end (eV/Angstrom): geomeTRIC's default."""

Optimizer = Callable[[NMer, "Counted", Floats, Path], None]


class Counted:
    """A surface that keeps the energy of each of its points, caps put back to their length."""

    def __init__(self, molecule: NMer, surface: Surface) -> None:
        self.energies: list[float] = []
        self._molecule, self._surface = molecule, surface

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        energy, gradient = self._surface(self._molecule.place_caps(x))
        self.energies.append(energy)
        return energy, self._molecule.carry_caps(x, gradient)


class Gfn1Xtb:
    """Energy (hartree) and gradient (hartree/Angstrom) of GFN1-xTB: another surface than that of the start."""

    def __init__(self, molecule: NMer) -> None:
        from tblite.interface import Calculator

        self._calculator = Calculator("GFN1-xTB", molecule.numbers, molecule.positions / Bohr)
        self._calculator.set("verbosity", 0)
        self._calculator.set("accuracy", 1e-3)

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        self._calculator.update(x / Bohr)
        found = self._calculator.singlepoint()
        return float(found.get("energy")), found.get("gradient") / Bohr


class Counting(Calculator):  # type: ignore[misc]
    """A counted surface as ASE sees it."""

    implemented_properties = ("energy", "forces")

    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        energy, gradient = self._counted(self.atoms.positions)
        self.results = {"energy": energy * Hartree, "forces": -gradient * Hartree}


def gfn2_xtb(molecule: NMer) -> Surface:
    return new_engine("xtb").cheap_surface(molecule)


def by_ase(molecule: NMer, counted: Counted, x: Floats, folder: Path) -> None:
    BFGS(Atoms(molecule.symbols, x, calculator=Counting(counted)), logfile=None).run(TIGHT, STEPS)


def by_sella(molecule: NMer, counted: Counted, x: Floats, folder: Path) -> None:
    from sella import Sella

    atoms = Atoms(molecule.symbols, x, calculator=Counting(counted))
    Sella(atoms, order=0, internal=True, logfile=None).run(TIGHT, STEPS)


def by_geometric(molecule: NMer, counted: Counted, x: Floats, folder: Path, ends: str = "GAU") -> None:
    from geometric.engine import Engine
    from geometric.molecule import Molecule
    from geometric.optimize import run_optimizer

    class Wrapped(Engine):  # type: ignore[misc]
        def calc_new(self, coords: Floats, dirname: str) -> dict[str, Any]:
            energy, gradient = counted(coords.reshape(-1, 3) * Bohr)
            return {"energy": energy, "gradient": (gradient * Bohr).ravel()}

    whole = Molecule()
    whole.elem, whole.xyzs = list(molecule.symbols), [x]
    settings = {"prefix": str(folder / "m"), "maxiter": STEPS, "convergence_set": ends}
    run_optimizer(customengine=Wrapped(whole), input="m.inp", **settings)


OPTIMIZERS: dict[str, Optimizer] = {"ASE BFGS": by_ase}
if find_spec("geometric"):
    OPTIMIZERS["geomeTRIC"] = by_geometric
    OPTIMIZERS["geomeTRIC, tight"] = partial(by_geometric, ends="GAU_TIGHT")
if find_spec("sella"):
    OPTIMIZERS["Sella"] = by_sella


def molecules() -> list[NMer]:
    """Return the molecules from whose minima the energies of the shipped recipes count, each start once."""
    found: dict[Any, NMer] = {}
    for name in shipped_recipes():
        recipe = load_recipe(name)
        for molecule, _ in reference_molecules(recipe.build_nmer(), recipe.labelling):
            found.setdefault((molecule.symbols, np.round(molecule.positions, 3).tobytes()), molecule)
    return list(found.values())


def needed(energies: list[float], lowest: float) -> int | None:
    """Return after how many points an energy was within 1e-6 hartree of the lowest; None: never."""
    return next((n for n, e in enumerate(energies, 1) if e < lowest + 1e-6), None)


def show(title: str, found: dict[str, list[list[float]]], costs: list[dict[str, int]]) -> None:
    """Print what each optimizer spent until its own end, and until 1e-6 hartree above the lowest energy."""
    lowest = [min(min(runs[n]) for runs in found.values()) for n in range(len(costs))]
    print(f"\n{title}, {len(costs)} minima\n  until its end, until 1e-6, most, missed, miss")
    for name, runs in found.items():
        each = [cost[name] for cost in costs]
        end = [len(run) * one for run, one in zip(runs, each, strict=True)]
        near = [needed(run, low) for run, low in zip(runs, lowest, strict=True)]
        reached = [n * one for n, one in zip(near, each, strict=True) if n is not None]
        miss = [min(run) - low for run, low in zip(runs, lowest, strict=True)]
        print(f"  {name:20} {sum(end):6} {sum(reached):6} {max(end):5} {near.count(None):3} {max(miss):9.1e}")


def compared(
    molecule: NMer, surface: Callable[[NMer], Surface], x: Floats, folder: Path
) -> dict[str, list[float]]:
    """Return the energies that each other optimizer asked for, from one start."""
    found = {}
    for name, optimizer in OPTIMIZERS.items():
        counted = Counted(molecule, surface(molecule))
        place = folder / f"{name}-{molecule.name}".replace(" ", "-").replace(",", "")
        place.mkdir(exist_ok=True)
        try:
            optimizer(molecule, counted, x, place)
        except Exception as error:  # figures of the others are wanted all the same
            print(f"{name} fails for {molecule.name}: {type(error).__name__}: {str(error).splitlines()[:1]}")
        found[name] = counted.energies
    return found


def ours(molecule: NMer, surface: Callable[[NMer], Surface], start: Start) -> list[float]:
    """Return the energy of the centre of each step of our search."""
    placed, seen = surface(molecule), []

    def energies(geometries: Floats) -> Floats:
        values = np.array([placed(x)[0] for x in geometries])
        seen.append(float(values[0]))
        return values

    try:
        minimise(molecule, energies, start)
    except StageError as error:
        print(error)
    return seen


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.config, "fileConfig", lambda *args, **kwargs: None)  # geomeTRIC prints each step
    logging.getLogger("geometric").setLevel(logging.CRITICAL)


def test_gradients_to_the_start(tmp_path: Path) -> None:
    """From the recipe's geometry to the minimum of a surface with gradients, GFN2-xTB."""
    pytest.importorskip("tblite")
    found: dict[str, list[list[float]]] = {}
    for molecule in molecules():
        x = molecule.place_caps(molecule.positions)
        counted = Counted(molecule, gfn2_xtb(molecule))
        start = find_start(molecule, counted)
        runs = {"ours (SciPy BFGS)": counted.energies[: -2 * len(start.directions)]}
        runs |= compared(molecule, gfn2_xtb, x, tmp_path)
        for name, energies in runs.items():
            found.setdefault(name, []).append(energies)
    count = len(found["ASE BFGS"])
    show("gradients to the minimum of GFN2-xTB", found, [dict.fromkeys(found, 1)] * count)


def to_the_bottom(
    title: str, chosen: list[NMer], surface: Callable[[NMer], Surface], start: Any, folder: Path
) -> None:
    """Print the energies from the cheap minimum to that of the label method, gradients by central differences."""
    found: dict[str, list[list[float]]] = {}
    costs = []
    for molecule in chosen:
        begin = start(molecule)
        runs = {"ours": ours(molecule, surface, begin), **compared(molecule, surface, begin.positions, folder)}
        for name, energies in runs.items():
            found.setdefault(name, []).append(energies)
        costs.append(dict.fromkeys(runs, 1 + 2 * len(begin.directions)))
    show(title, found, costs)


def test_energies_to_the_minimum(tmp_path: Path) -> None:
    """GFN1-xTB has the part of the label method, GFN2-xTB that of the start."""
    pytest.importorskip("tblite")
    title = "energies of GFN1-xTB from the minimum of GFN2-xTB"
    to_the_bottom(title, molecules(), Gfn1Xtb, lambda m: find_start(m, gfn2_xtb(m)), tmp_path)


def test_energies_to_the_minimum_of_mp2(tmp_path: Path) -> None:
    """Small molecules, MP2/6-31G from the minimum of HF/def2-SVP."""

    def mp2(molecule: NMer) -> Surface:
        from pyscf import gto, mp, scf

        def surface(x: Floats) -> tuple[float, Floats]:
            atoms = list(zip(molecule.symbols, x.tolist(), strict=True))
            field = scf.RHF(gto.M(atom=atoms, basis="6-31g", verbose=0))
            field.conv_tol = 1e-11
            field.kernel()
            post = mp.MP2(field)
            post.kernel()
            return float(post.e_tot), post.nuc_grad_method().kernel() / Bohr

        return surface

    small = [m for m in molecules() if m.natoms <= 6]
    one_each = list({m.symbols: m for m in small}.values())
    to_the_bottom(
        "energies of MP2/6-31G from HF/def2-SVP", one_each, mp2, lambda m: find_start(m, HartreeFock(m)), tmp_path
    )
