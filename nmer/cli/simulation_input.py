"""What `nmer simulate` is given: the model, the start, the settings and the bias."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from potentials.errors import InputError
from potentials.evaluation import Evaluable
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from recipes.chemistry.backbone import backbone_torsions
from recipes.chemistry.molecules import CHAIN, FILES, Molecule, read_molecule
from recipes.chemistry.rdkit_files import OTHERS
from recipes.chemistry.systems import molecule_of, read_system
from recipes.schema.patterns import allowed
from storage.store import Store
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD
from tasks.simulation.metadynamics import Metadynamics, metadynamics_of
from tasks.simulation.settings import SimulationSettings
from tasks.sums.files import load_sum, molecule_of_sum, water_of_sum
from tasks.sums.geometries import read_geometries
from tasks.sums.make import sum_potential

OPTIONS = {"steps": "time"}
"""Options of the command whose settings have another name."""


@dataclass(frozen=True, eq=False)
class Given:
    """A model and its start.

    Attributes
    ----------
    model, start
        The potential, and the system with its geometry.
    name
        A name of the system that a store allows.
    described
        What the model is beyond its potentials.
    papers
        Keys of ``storage/papers.toml`` of a force field.
    """

    model: Evaluable
    start: System
    name: str
    described: Mapping[str, Any]
    papers: Sequence[str] = ()


def read_input(
    text: str, store: Store, kind: str, family: str | None, water: str | None, at: Path | None
) -> Given:
    """Return the model and the start of a user's text.

    Raises
    ------
    InputError
        If it cannot be read, options do not fit it, or there is no geometry.
    """
    if Path(text).suffix.lower() == ".toml":
        if kind != "sum" or family is not None or water is not None:
            raise InputError(f"'{text}' lists what the sum is made of; allowed: no --model, --family or --water")
        model = load_sum(text, store.path)
        whole = molecule_of_sum(Path(text))
        start = _placed(whole, model, at, text)
        kind_of_water = water_of_sum(Path(text))
        described = _described(model) | ({} if kind_of_water is None else {"water": kind_of_water})
        return Given(model, start, name_of(whole.name), described)
    system = read_system(text)
    many = len(system.molecules) > 1 or system.cell is not None or tuple(sorted(system.symbols)) == ("H", "H", "O")
    if kind != "sum":
        from tasks.simulation.amber import amber_potential

        if family is not None or water is not None:
            raise InputError(f"--family and --water are of the sum; allowed with --model {kind}: none of them")
        force_field = amber_potential(system, kind)
        start = system if at is None else _at(system, at)
        return Given(force_field, start, name_of(text), {"force_field": kind}, force_field.papers)
    if water is not None and not many:
        raise InputError(f"--water is {water}, and '{text}' is one molecule in vacuum; allowed: leave it out")
    subject: Molecule | System = system if many else molecule_of(system)
    model = sum_potential(
        subject, family=family, water=(water or "own") if many else None, store=store.path, newest=True
    )
    start = system if at is None else _at(system, at)
    described = _described(model) | ({"water": water or "own"} if many else {})
    return Given(model, start, name_of(text), described)


def _described(model: ManyBodyPotential) -> dict[str, Any]:
    """Return what a sum is beyond its potentials."""
    from potentials.physics.periodic.model import PeriodicPhysics

    found: dict[str, Any] = {}
    if model.parameters is not None:
        found["physics"] = model.parameters.digest
    cutoffs = [p.settings.cutoff for p in model.physics if isinstance(p, PeriodicPhysics)]
    return found | ({"cutoff": cutoffs[0]} if cutoffs else {})


def _at(system: System, path: Path) -> System:
    """Return a system at the first geometry of a file."""
    _, positions = next(iter(read_geometries(path, molecule_of(system), system.cell)))
    return replace(system, positions=np.asarray(positions))


def _placed(whole: Molecule, model: ManyBodyPotential, at: Path | None, text: str) -> System:
    """Return the start of a sum from its file: the geometry of a file, or of the chain that it is named after."""
    if at is not None:
        _, positions = next(iter(read_geometries(at, whole, model.cell)))
        return System(whole.symbols, np.asarray(positions), whole.bonds, model.cell, whole.name)
    if CHAIN.fullmatch(whole.name):
        known = read_molecule(whole.name)
        if (known.symbols, known.bonds) == (whole.symbols, whole.bonds):
            return System(whole.symbols, np.array(known.embedded().positions), whole.bonds, None, whole.name)
    raise InputError(f"'{text}' has no geometry; give an xyz file of one with --at")


def name_of(text: str) -> str:
    """Return a name that a store allows: lower case, letters, digits and dashes."""
    suffix = Path(text).suffix.lower()
    stem = Path(text).stem if suffix in (*FILES, *OTHERS, ".toml") else text
    plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60].strip("-")
    return plain if plain and plain[0].isalpha() else f"system-{plain}".strip("-")


def settings_of(*, steps: Callable[[], int], **values: Any) -> SimulationSettings:
    """Return the settings of the command's options; `steps` is called after all others have been checked.

    Raises
    ------
    InputError
        If an option is out of its range; the sentence names it.
    """
    try:
        SimulationSettings(**values, steps=values["every"] if values["every"] > 0 else 1)
        return SimulationSettings(**values, steps=steps())
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        option = f"--{OPTIONS.get(key, key).replace('_', '-')} is {values.get(key, '')!s:.40}; " if key else ""
        raise InputError(f"{option}{allowed(first['msg'])}") from None


SHAPE = {"height": 0.3, "width": 0.3, "pace": 500, "bias_factor": 8.0}
"""Defaults of the hills of ``--metad``: kcal/mol, rad, steps, and the bias factor."""


def check_shape(shape: Mapping[str, float], metad: str | None) -> None:
    """Raise InputError if an option of the hills of ``--metad`` is out of its range, or of no use.

    Parameters
    ----------
    shape
        The options of `SHAPE`.
    metad
        What ``--metad`` is.
    """
    ranges: dict[str, tuple[Callable[[float], bool], str]] = {
        "height": (lambda x: 0 < x < math.inf, "above 0 kcal/mol"),
        "width": (lambda x: 0 < x <= math.pi, "above 0 and up to 3.14 rad"),
        "pace": (lambda x: x >= 1, "1 step or more"),
        "bias_factor": (lambda x: x == 0 or 1 < x < math.inf, "above 1, or 0 for hills that keep their height"),
    }
    for name, value in shape.items():
        option, (is_allowed, said) = f"--{name.replace('_', '-')}", ranges[name]
        if metad is None and value != SHAPE[name]:
            raise InputError(f"{option} is given without --metad; allowed: with it alone")
        if not is_allowed(value):
            raise InputError(f"{option} is {value:g}; allowed: {said}")


def bias_of(
    start: System,
    path: Path | None,
    names: str | None,
    shape: Mapping[str, float],
    temperature: float,
    engine: Literal["own", "plumed"],
) -> Metadynamics:
    """Return the metadynamics of a PLUMED input, or of named torsions.

    Raises
    ------
    InputError
        If the file or a name is not understood, or a number is out of its range.
    """
    if path is not None:
        return metadynamics_of(path, start.cell is not None, engine)
    assert names is not None
    residues = backbone_torsions(start.symbols, start.bonds)
    labels, cvs = [word.strip() for word in names.split(",")], []
    for label in labels:
        match = re.fullmatch(r"(phi|psi)([1-9][0-9]{0,5})?", label)
        number = int(match[2] or 1) if match else 0
        if match is None or number > len(residues) or labels.count(label) > 1:
            have = f"phi1 to psi{len(residues)}" if residues else "no such torsions"
            raise InputError(
                f"--metad is '{names[:60]}'; allowed: phi or psi with the number of a residue from 1, separated "
                f"by commas, each once; the system has {have}; other variables need a PLUMED input with --bias"
            )
        cvs.append(CV(residues[number - 1][match[1] == "psi"]))
    factor = shape["bias_factor"]
    settings = MetaD(
        sigma=(shape["width"],) * len(cvs),
        periodic=(True,) * len(cvs),
        height=shape["height"],
        pace=int(shape["pace"]),
        biasfactor=factor if factor else None,
        temperature=temperature if factor else 0.0,
        grids=_grids(shape["width"], len(cvs)),
    )
    return Metadynamics(settings, tuple(cvs), tuple(labels), engine)


def _grids(width: float, count: int) -> tuple[Any, ...]:
    """Return a grid with PLUMED's spacing, a fifth of the width, for one or two variables; none for more."""
    from tasks.bias.specification import Grid

    if count > 2 or not 0.01 <= width < 3:
        return ()
    bins = int(np.ceil(2 * np.pi / (width / 5)))
    return tuple(Grid(-float(np.pi), float(np.pi), bins, width, True) for _ in range(count))
