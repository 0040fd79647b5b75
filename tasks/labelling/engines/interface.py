"""The interface of an energy program: its job, its result, and what it can compute."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.engines import EngineDeclaration, Method
from recipes.registry import missing
from recipes.schema.patterns import check_basis_name, check_functional_name

if TYPE_CHECKING:
    from recipes.schema.labelling import Labelling

Surface = Callable[[Floats], tuple[float, Floats]]
"""(atoms, 3) in Angstrom -> energy in hartree and gradient (atoms, 3) in hartree/Angstrom."""

OK = "ok"
FAILED = "failed"
TIMEOUT = "timeout"
OUT_OF_MEMORY = "out-of-memory"


@dataclass(frozen=True)
class Job:
    """One energy calculation. Its values are plain, so that it can be sent as JSON.

    Attributes
    ----------
    part
        Name of the sub-calculation.
    symbols
        Element of each atom, ghosts included.
    positions
        (atoms, 3), Angstrom.
    ghosts
        Atoms without nucleus and electrons, counted from 0.
    charge
        e.
    method, basis, frozen_core
        As in the recipe.
    scf_tolerance, cc_tolerance
        Energy convergence, hartree.
    lno_threshold, fno_threshold
        Occupation below which a virtual natural orbital is dropped; read by LNO or by FNO methods only.
    mp2_basis
        Larger basis of a composite: MP2 in it + [method - MP2] in `basis`; empty: none.
    scale_triples
        Whether a composite's (T) is scaled by the ratio of the whole's two MP2 correlation energies.
    whole_charge
        Charge of all atoms together, ghosts taken for real ones, e.
    functional
        Of method DFT.
    density_fitting
        Whether integrals are fitted.
    single_precision
        Whether fitted coupled cluster is computed in float32.
    memory
        Memory that the engine may use, GiB.
    gradient
        Whether the gradient is computed as well.
    """

    part: str
    symbols: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]
    ghosts: tuple[int, ...]
    charge: int
    method: str
    basis: str
    frozen_core: bool = True
    scf_tolerance: float = 1e-10
    cc_tolerance: float = 1e-8
    lno_threshold: float = 1e-5
    fno_threshold: float = 1e-5
    mp2_basis: str = ""
    scale_triples: bool = False
    whole_charge: int = 0
    functional: str = ""
    density_fitting: bool = False
    single_precision: bool = False
    memory: float = 4.0
    gradient: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Job:
        """Return the job of a JSON object made with `dataclasses.asdict`."""
        positions = tuple((float(x), float(y), float(z)) for x, y, z in values["positions"])
        symbols, ghosts = tuple(values["symbols"]), tuple(values["ghosts"])
        return cls(**{**values, "symbols": symbols, "positions": positions, "ghosts": ghosts})


@dataclass(frozen=True)
class Result:
    """How one energy calculation ended.

    Attributes
    ----------
    status
        ``ok``, ``failed``, ``timeout``, or ``out-of-memory``.
    reason
        One sentence; empty if ok.
    energy
        Total energy of the method, hartree; None unless ok.
    components
        hartree: ``hf`` (total), and as far as the method goes ``mp2``, ``ccsd`` (correlation energies) and
        ``triples`` (the (T) correction alone). The method's energy is the sum of ``hf`` and the last ones. A
        truncated method has ``dmp2``, the MP2 energy of the rest, beside the ``mp2`` of all orbitals; a composite
        has ``hf`` and ``mp2`` in its larger basis, ``dccsd`` (CCSD - MP2 in the smaller), ``small_hf`` and
        ``small_mp2`` in the smaller (not in older labels), and where it scales its triples
        ``triples_unscaled`` as well.
        DFT and GFN2-xTB have ``total`` alone.
    t1, d1
        Diagnostics of Lee and Taylor and of Janssen and Nielsen; None where the method has none.
    t2
        Largest double amplitude, absolute; None where the method has none.
    triples_fraction
        Fraction of the correlation energy that is (T); None where the method has none.
    details
        Counts and flags: ``electrons`` and ``frozen_orbitals`` (those that a core potential leaves),
        ``basis_functions``, ``scf_converged``, ``cc_converged``; and where the SCF was unusual, what
        `tasks.labelling.engines.self_consistent.settle` returns.
    gradient
        Of the energy with respect to every atom of the job, ghosts included (their basis functions move), (atoms,
        3), hartree/Angstrom; None unless it was asked for.
    """

    status: str
    reason: str = ""
    energy: float | None = None
    components: dict[str, float] = field(default_factory=dict)
    t1: float | None = None
    d1: float | None = None
    t2: float | None = None
    triples_fraction: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    gradient: tuple[tuple[float, float, float], ...] | None = None

    def with_gradient(self, gradient: ArrayLike) -> Result:
        """Return the result with a gradient (atoms, 3), hartree/Angstrom."""
        rows = np.asarray(gradient, dtype=np.float64).tolist()
        return replace(self, gradient=tuple((x, y, z) for x, y, z in rows))


class Engine(EngineDeclaration, ABC):
    """An energy program; its input, running, and reading are separate methods.

    A subclass declares what is known about the program, and its module binds it to ``ENGINE``. It imports the
    program inside its methods, so that a missing program is reported by `available` and is no import error.

    Attributes
    ----------
    labels_per_process
        Labels that may share a process: more than one where the start of a process costs more than a label.
    """

    labels_per_process: ClassVar[int] = 1

    def available(self) -> str | None:
        """Return None if the program is there, otherwise what is missing and how to install it."""
        return missing(type(self))

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return the version of each program that takes part; it must be fast."""

    @abstractmethod
    def build(self, job: Job) -> Any:
        """Return the program's own input for a job."""

    @abstractmethod
    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run the program and return what it found as plain values."""

    @abstractmethod
    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result that the program's values mean. It needs no program."""

    def method(self, name: str) -> Method:
        """Return one of its methods."""
        return next(method for method in self.methods if method.name == name)

    def cheap_surface(self, molecule: NMer) -> Surface:
        """Return a surface with gradients whose minimum is near that of this engine's, where the search begins.

        Raises
        ------
        InputError
            If it cannot be computed for the molecule.
        """
        from tasks.labelling.engines.hartree_fock import HartreeFock

        return HartreeFock(molecule)

    def lacks(self, method: str) -> str | None:
        """Return None if the installed program has one of the engine's methods, otherwise what is missing."""
        return None

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if the basis does not exist or lacks an element; not every engine can check."""

    def core_electrons(self, basis: str, symbols: Iterable[str]) -> dict[str, int]:
        """Return how many electrons of each element are replaced by core potentials that this engine sets.

        They become part of the protocol. A program that has always set them by itself returns none.
        """
        return {}

    def check_functional(self, functional: str) -> None:
        """Raise InputError if the engine does not know a density functional."""
        raise InputError(f"labelling.functional '{functional}': engine '{self.name}' has no density functionals")

    def check_fitting(self, basis: str, symbols: Iterable[str], functional: str = "") -> None:
        """Raise InputError if fitted integrals have no auxiliary basis; not every engine can check."""

    def check_ghosts(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if elements in a basis cannot be ghost atoms."""

    def check(self, labelling: Labelling, symbols: tuple[str, ...], ghosts: bool) -> None:
        """Raise InputError if the engine cannot compute what a recipe asks, before any label is tried.

        Parameters
        ----------
        labelling
            The recipe's section.
        symbols
            Elements of the n-mer.
        ghosts
            Whether some of its atoms are ghosts in a sub-calculation.
        """
        method, basis, larger = labelling.method, labelling.basis, labelling.mp2_basis
        if method not in (allowed := [one.name for one in self.methods]):
            raise InputError(
                f"labelling.method '{method}' is not one of engine '{self.name}': {', '.join(allowed)}"
            )
        if missing := self.lacks(method):
            raise InputError(f"labelling.method '{method}' {missing}")
        if ghosts and not self.ghosts:
            raise InputError(f"labelling.counterpoise needs ghost atoms, and engine '{self.name}' has none")
        if labelling.gradients and method not in self.gradients:
            having = ", ".join(self.gradients) or "none of its methods"
            raise InputError(f"labelling.gradients: engine '{self.name}' has gradients of {having}")
        if labelling.functional:
            self.check_functional(labelling.functional)
        for one in (basis, larger) if larger else (basis,):
            self.check_elements(one, symbols)
            if labelling.density_fitting or larger or self.method(method).fitted:
                self.check_fitting(one, symbols, labelling.functional)
        if ghosts:
            self.check_ghosts(basis, symbols)

    def run(self, job: Job) -> Result:
        """Return the result of a job. Any error is a failed result, never an exception."""
        try:
            if job.method not in [method.name for method in self.methods]:
                return Result(FAILED, f"engine '{self.name}' has no method '{job.method}'")
            if job.gradient and job.method not in self.gradients:
                return Result(FAILED, f"engine '{self.name}' has no gradients of method '{job.method}'")
            if job.ghosts and not self.ghosts:
                return Result(FAILED, f"engine '{self.name}' takes no ghost atoms")
            if len(set(job.ghosts)) >= len(job.symbols):
                return Result(FAILED, "all atoms are ghosts")
            check_words(job)
            result = self.parse(job, self.execute(job, self.build(job)))
        except MemoryError as error:
            return Result(OUT_OF_MEMORY, f"the engine could not get memory: {_one_line(error)}")
        except Exception as error:  # one label's error must not end the other labels
            return Result(FAILED, f"{type(error).__name__}: {_one_line(error)}")
        wrong = [name for name, value in _numbers(result) if value is None or not math.isfinite(value)]
        if result.status == OK and wrong:
            return Result(
                FAILED, f"not a finite number: {', '.join(dict.fromkeys(wrong))}", details=result.details
            )
        if result.status == OK and job.gradient:
            atoms = 0 if result.gradient is None else len(result.gradient)
            if atoms != len(job.symbols):
                said = f"the gradient has {atoms} atoms; the job has {len(job.symbols)}"
                return Result(FAILED, said, details=result.details)
        return result


def check_words(job: Job) -> None:
    """Raise ValueError if a text of a job may not be passed to a program."""
    for symbol in job.symbols:
        if symbol not in chemical_symbols[1:]:
            raise ValueError(f"there is no element {str(symbol)[:20]!r}")
    for name in (job.basis, job.mp2_basis):
        if name:
            check_basis_name(name)
    check_functional_name(job.functional)


def count_electrons(job: Job) -> int:
    """Return the number of electrons of a job.

    Raises
    ------
    ValueError
        If it is odd or an element does not exist: every engine here takes closed shells only.
    """
    ghosts = set(job.ghosts)
    count = sum(atomic_numbers[s] for i, s in enumerate(job.symbols) if i not in ghosts) - job.charge
    if count <= 0 or count % 2:
        raise ValueError(f"{count} electrons are not a closed shell")
    return int(count)


def _numbers(result: Result) -> list[tuple[str, float | None]]:
    optional = ("t1", "d1", "t2", "triples_fraction")
    given = [(name, getattr(result, name)) for name in optional if getattr(result, name) is not None]
    slopes = [("gradient", value) for row in result.gradient or () for value in row]
    return [("energy", result.energy), *result.components.items(), *given, *slopes]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
