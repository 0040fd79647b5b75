"""The force field of an n-mer as a plain function of its geometry."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.schema.sampling import AtomType
from tasks.sampling.engine import run, simulation
from tasks.sampling.force_field import ForceFunction


@contextmanager
def force_function(nmer: NMer, force_field: str, atom_types: Sequence[AtomType] = ()) -> Iterator[ForceFunction]:
    """Open the force field of an n-mer, without a bias, as a function of positions.

    Parameters
    ----------
    nmer
        The n-mer.
    force_field
        One of the recipe's force fields.
    atom_types
        Types and charges that the recipe gives.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        simulation(
            nmer,
            Path(folder) / "atoms.data",
            force_field=force_field,
            atom_types=atom_types,
            temperature=300.0,
            timestep=0.5,
            damping=100.0,
            seed=1,
        ) as program,
    ):
        program.commands_list(["unfix move", "unfix bath", "unfix centre"])

        def evaluate(x: Floats) -> tuple[float, Floats]:
            program.numpy.extract_atom("x")[: nmer.natoms] = x
            run(program, 0, first=True)
            forces = np.array(program.numpy.extract_atom("f")[: nmer.natoms])
            return float(program.get_thermo("pe")), forces

        yield evaluate
