"""A recipe's labelling section applied to an n-mer: the engine, the sub-calculations, the ids, and the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Labelling
from storage.configuration import protocol_id, protocol_settings
from tasks.labelling.engines.interface import Job
from tasks.labelling.engines.registry import get_engine, new_engine
from tasks.labelling.plan import SubCalculation, plan_label

SETTINGS = tuple(field.name for field in fields(Job) if field.name in Labelling.model_fields)
"""The options of a recipe that a job has."""


@dataclass(frozen=True)
class Protocol:
    """One n-mer under one labelling section.

    Parameters
    ----------
    nmer
        The n-mer.
    labelling
        The recipe section.
    versions
        Version of each program of the engine.
    """

    nmer: NMer
    labelling: Labelling
    versions: tuple[tuple[str, str], ...]

    def of(self, nmer: NMer) -> Protocol:
        """Return the protocol for another n-mer."""
        return replace(self, nmer=nmer)

    @cached_property
    def id(self) -> str:
        """Id of the protocol; the n-mer enters it only through the core potentials of its elements."""
        return protocol_id(self.labelling, dict(self.versions), self.core_electrons)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All settings that the id is computed from."""
        return protocol_settings(self.labelling, dict(self.versions), self.core_electrons)

    @cached_property
    def core_electrons(self) -> dict[str, dict[str, int]]:
        """Electrons replaced by the core potentials set here, by basis and element; mostly none."""
        engine, symbols = new_engine(self.labelling.engine), self.nmer.symbols
        names = dict.fromkeys(name for name in (self.labelling.basis, self.labelling.mp2_basis) if name)
        found = {name: engine.core_electrons(name, symbols) for name in names}
        return {name: electrons for name, electrons in found.items() if electrons}

    @cached_property
    def plan(self) -> tuple[SubCalculation, ...]:
        """The sub-calculations of every label."""
        return plan_label(self.nmer, self.labelling.counterpoise)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Names of the sub-calculations."""
        return tuple(part.name for part in self.plan)

    def jobs(self, positions: Floats, parts: Sequence[str], memory: float) -> list[Job]:
        """Return the jobs of some sub-calculations of one configuration, in the plan's order.

        Parameters
        ----------
        positions
            Shape (atoms, 3), Angstrom.
        parts
            Names of the sub-calculations.
        memory
            Memory that an engine may use, GiB.
        """
        return [self._job(part, positions, memory) for part in self.plan if part.name in parts]

    def _job(self, part: SubCalculation, positions: Floats, memory: float) -> Job:
        atoms = list(part.present)
        ghosts = set(part.ghosts)
        symbols, geometry = [self.nmer.symbols[a] for a in atoms], positions[atoms]
        if part.piece is not None:
            symbols, geometry = list(part.piece.fragment.symbols), part.piece.positions(positions)
        return Job(
            part=part.name,
            symbols=tuple(symbols),
            positions=tuple((float(x), float(y), float(z)) for x, y, z in geometry),
            ghosts=tuple(i for i, a in enumerate(atoms) if a in ghosts),
            charge=part.charge,
            whole_charge=part.charge if part.piece is not None else self.nmer.charge,
            memory=memory,
            gradient=self.labelling.gradients,
            **{name: getattr(self.labelling, name) for name in SETTINGS},
        )


def protocol_of(nmer: NMer, labelling: Labelling) -> Protocol:
    """Return the protocol of a labelling section with the programs installed here.

    Raises
    ------
    InputError
        If the engine is not installed.
    """
    engine = get_engine(labelling.engine)
    return Protocol(nmer, labelling, tuple(sorted(engine.versions().items())))


def check_labelling(nmer: NMer, labelling: Labelling) -> None:
    """Raise InputError if a labelling section's engine is missing or cannot compute an n-mer, before any label."""
    ghosts = labelling.counterpoise and len(nmer.fragments) > 1
    get_engine(labelling.engine).check(labelling, nmer.symbols, ghosts)
