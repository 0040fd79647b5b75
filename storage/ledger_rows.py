"""What the label ledger returns: rows of parts, arrays of labels, counts."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.arrays import Bools, Floats

DERIVED = "derived_from"
"""Among a row's details: the protocol whose label it was taken from. It was not computed."""


@dataclass(frozen=True)
class LabelRow:
    """The result of one part of a label.

    Attributes
    ----------
    configuration, part
        Which sub-calculation of which configuration.
    status, reason
        One of `storage.ledger_file.STATUSES`; the reason is empty if ok.
    energy
        Total energy, hartree; None unless ok.
    t1, t2
        T1 diagnostic and largest amplitude; None where the method has none.
    cpu_seconds
        User and system time.
    finished
        Seconds since 1970.
    details
        The rest of the entry as JSON text.
    d1, triples_fraction
        D1 diagnostic, and the fraction of the correlation energy that is (T); None where the method has none.
    electrons, frozen_orbitals, basis_functions
        Counts; None where the engine does not report them.
    scf_converged, cc_converged
        1 or 0; None where there are no such equations.
    wall_seconds
        Wall time.
    memory
        Peak of the process so far, GiB.
    system
        Formulas of the n-mer's fragments.
    gradient
        Of the energy, as `storage.gradients.array_of` reads it; None where only the energy was computed.
    """

    configuration: str
    part: str
    status: str
    reason: str
    energy: float | None
    t1: float | None
    t2: float | None
    cpu_seconds: float
    finished: float
    details: str
    d1: float | None = None
    triples_fraction: float | None = None
    electrons: int | None = None
    frozen_orbitals: int | None = None
    basis_functions: int | None = None
    scf_converged: int | None = None
    cc_converged: int | None = None
    wall_seconds: float | None = None
    memory: float | None = None
    system: str | None = None
    gradient: bytes | None = None


@dataclass(frozen=True)
class LabelArrays:
    """The ledger's data on many configurations, as arrays in their order; nan where nothing is known.

    Attributes
    ----------
    energies
        (configurations, parts), total energies, hartree.
    t1, t2, d1
        (configurations,), largest over the parts.
    instability
        (configurations,), largest over the parts, hartree; nan where every SCF was found to be stable, or where
        that is not known; infinite where an SCF is a saddle point, or was hard to converge and not checked.
    cpu_seconds
        (configurations,), sum over the parts; 0 where nothing is known.
    memory
        (configurations,), largest over the parts, GiB.
    failed
        (configurations,), whether a part failed.
    """

    energies: Floats
    t1: Floats
    t2: Floats
    d1: Floats
    instability: Floats
    cpu_seconds: Floats
    memory: Floats
    failed: Bools


@dataclass(frozen=True)
class Counts:
    """How many configurations are labelled (every part ok), failed (a part is not ok), and neither."""

    done: int
    failed: int
    missing: int
