"""Fitted three-centre integrals of PySCF, and the auxiliary sets that they are fitted with.

Where PySCF has no auxiliary set for an element it would make one of even-tempered functions, from the nucleus: a
ghost atom, which has none, would get another set than the atom itself, and the parts of a counterpoise sum would
not be consistent. Such a basis is refused for fitted integrals. From Rb on PySCF has the ``jkfit`` sets of the
def2 bases and no ``ri`` sets: there the former, which are larger, are used for the correlation as well. Two-body
MP2 energies of iodide with water come out within 0.006 kcal/mol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from potentials.arrays import Floats
from potentials.errors import InputError
from tasks.labelling.engines.core_potentials import LIGHT, core_potentials
from tasks.labelling.engines.self_consistent import Product

_BLOCK = 64
"""Auxiliary functions transformed at once."""


@dataclass(frozen=True)
class Tensors:
    """Fitted three-centre integrals of one set of atoms in one basis, (auxiliary, pairs of basis functions).

    Attributes
    ----------
    coulomb
        With the ``jkfit`` set, for the SCF.
    correlation
        With the ``ri`` set.
    coulomb_basis
        The ``jkfit`` set.
    """

    coulomb: Floats
    correlation: Floats
    coulomb_basis: Any


def fit(mole: Any) -> Tensors:
    """Return the fitted integrals of a molecule; raises InputError if an auxiliary set is missing."""
    from pyscf import df

    coulomb = auxiliary_sets(mole)
    fitted = {}
    for name, auxiliary in (("coulomb", coulomb), ("correlation", auxiliary_sets(mole, mp2fit=True))):
        one = df.DF(mole, auxbasis=auxiliary)
        one.max_memory = 1e9  # always in memory: the process has its own limit, and a disk would be slow
        one.build()
        fitted[name] = np.asarray(one._cderi)
    return Tensors(**fitted, coulomb_basis=coulomb)


def auxiliary_sets(mole: Any, **purpose: Any) -> dict[str, str]:
    """Return the names of a molecule's auxiliary sets by PySCF's label of the atom.

    Parameters
    ----------
    mole
        PySCF's molecule, its basis given by name.
    purpose
        ``mp2fit=True`` for correlation, ``xc=NAME`` for a density functional; otherwise for Hartree-Fock.

    Raises
    ------
    InputError
        If PySCF has none for an element.
    """
    from pyscf import df

    found = dict(df.make_auxbasis(mole, **purpose))
    elements = {label: label.upper().removeprefix("GHOST-").title() for label in found}
    lacking = [label for label, one in found.items() if not isinstance(one, str)]
    if lacking and "mp2fit" in purpose:
        other = df.make_auxbasis(mole)
        found |= {label: other[label] for label in lacking if atomic_numbers[elements[label]] > LIGHT}
    made = sorted(elements[label] for label, one in found.items() if not isinstance(one, str))
    if made:
        raise InputError(
            f"labelling.basis '{mole.basis}' has no auxiliary set in PySCF to fit integrals with for element "
            f"{made[0]}; choose another basis, or conventional integrals: density_fitting = false, no FNO, no "
            "LNO, no mp2_basis"
        )
    return found


def check_auxiliary_sets(basis: str, symbols: Iterable[str], functional: str = "") -> None:
    """Raise InputError if PySCF has no auxiliary set to fit integrals of a basis with for one of the elements."""
    from pyscf import gto

    for symbol in sorted(set(symbols)):
        potential = core_potentials(basis, [symbol])
        mole = gto.M(atom=[(symbol, (0, 0, 0))], basis=basis, ecp=potential, spin=None, verbose=0)
        for purpose in [{"xc": functional}] if functional else [{}, {"mp2fit": True}]:
            auxiliary_sets(mole, **purpose)


def transform(
    integrals: Floats, left: Floats, right: Floats, precision: type[np.floating[Any]] = np.float64
) -> NDArray[Any]:
    """Return fitted integrals between two sets of orbitals, (auxiliary, left, right)."""
    from pyscf import lib

    first, second = left.T.astype(precision), right.astype(precision)
    out = np.empty((len(integrals), left.shape[1], right.shape[1]), precision)
    for start in range(0, len(integrals), _BLOCK):
        block = lib.unpack_tril(integrals[start : start + _BLOCK]).astype(precision, copy=False)
        half = np.matmul(first, block).reshape(-1, len(second))  # (auxiliary and left, basis)
        out[start : start + _BLOCK] = (half @ second).reshape(-1, *out.shape[1:])
    return out


def triplet_product(integrals: Floats) -> Callable[[Any], Product]:
    """Return a function from a field to the product with its triplet orbital Hessian, from fitted integrals.

    Parameters
    ----------
    integrals
        (auxiliary, pairs of basis functions).
    """

    def of(field: Any) -> Product:
        occupied, virtual = field.mo_coeff[:, field.mo_occ > 0], field.mo_coeff[:, field.mo_occ == 0]
        gaps = field.mo_energy[field.mo_occ == 0][:, None] - field.mo_energy[field.mo_occ > 0]
        # float32 is enough, and takes no more memory than the integrals themselves
        oo = transform(integrals, occupied, occupied, np.float32)
        vo = transform(integrals, virtual, occupied, np.float32)
        vv = transform(integrals, virtual, virtual, np.float32)

        def product(wide: Floats) -> Floats:
            x = wide.astype(np.float32)
            direct = np.tensordot(np.matmul(vv, x), oo, axes=((0, 2), (0, 1)))  # (ab|ij) x_bj
            crossed = np.tensordot(vo, np.matmul(x.T, vo), axes=((0, 2), (0, 1)))  # (aj|ib) x_bj
            return np.asarray(gaps * wide - direct - crossed)

        return product

    return of
