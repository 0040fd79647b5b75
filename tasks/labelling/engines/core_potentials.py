"""Which effective core potential belongs to a basis set for an element, in PySCF's library.

A basis made for a core potential has no functions for the core: an all-electron calculation in it gives a wrong
energy without any sign of an error. A core potential is set where the basis was made for one, and nowhere else; a
basis whose core potential PySCF does not have is refused. Ghost atoms have the basis alone.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from potentials.errors import InputError

LEAST_CORE = 0.9
"""Least fraction of the energy of one electron on the bare nucleus that an all-electron basis gives: STO-3G has
0.93 for H, and 0.97 or more for all others. Sets for a core potential have less than 0.8 where a core is missing.
So have sets contracted for a relativistic Hamiltonian on heavy elements; no engine here has such a Hamiltonian.
"""

LIGHT = 36
"""Krypton: the common basis sets up to it are all-electron sets."""

_COMMON = re.compile(
    r"sto\d?g|[346]\d+\+*g.*|(heavy|d|t)?(aug)?cc(p|pw|pc|pwc)v[dtq56]z|(ma)?def2(sv|tz|qz|mtz)[a-z]*|(aug)?pc(seg)?\d"
)
"""Names, as PySCF reduces them, of all-electron sets up to `LIGHT`."""

_MADE_FOR_POTENTIALS = (
    (r"(bfd|ccecp).*|.*(gth|molopt).*", 1),
    (r"(aug)?cc.*pp(nr)?", 1),
    (r"(crenb|sbkjc|stuttgart|sdd).*|.*vszps?", 3),
    (r".*lanl.*", 11),
    (r"(ma)?def2.*|pob.*", 37),
)
"""Kinds of sets, and the first element for which they have a core potential."""


def core_potentials(basis: str, symbols: Iterable[str]) -> dict[str, Any]:
    """Return the core potentials that belong to a basis, by element, as PySCF has them.

    Parameters
    ----------
    basis
        Name of the basis.
    symbols
        Elements. Those without a core potential are left out of the result.

    Raises
    ------
    InputError
        If PySCF does not know the basis for an element, or not the core potential that it was made for.
    """
    found = {symbol: _potential(basis, symbol) for symbol in sorted(set(symbols))}
    return {symbol: potential for symbol, potential in found.items() if potential is not None}


def is_made_for_potential(basis: str, symbol: str) -> bool:
    """Return whether a basis, by its name, is of a kind that has a core potential on an element."""
    name, number = _reduced(basis), atomic_numbers.get(symbol, 0)
    return any(re.fullmatch(family, name) and number >= first for family, first in _MADE_FOR_POTENTIALS)


@cache
def _potential(basis: str, symbol: str) -> Any:
    name = _reduced(basis)
    number = atomic_numbers.get(symbol, 0)
    shells = _shells(basis, symbol)
    if number <= LIGHT and _COMMON.fullmatch(name):
        return None
    potential = _look_up("load_ecp", _source(basis, name), symbol)
    if potential is not None:
        return potential
    if is_made_for_potential(basis, symbol):
        raise InputError(
            f"labelling.basis '{basis}' is made for a core potential on {symbol}, which PySCF does not have; "
            "choose a basis that comes with one, such as def2-TZVP, or an all-electron basis"
        )
    if _core_part(shells, number) < LEAST_CORE:
        raise InputError(
            f"labelling.basis '{basis}' does not describe the core of {symbol}: it is made for a core potential "
            "that PySCF does not have, or for a relativistic Hamiltonian; choose a basis that comes with its core "
            "potential, such as def2-TZVP, or an all-electron basis"
        )
    return None


def _reduced(basis: str) -> str:
    return re.sub(r"[-_ ]", "", basis.lower()).partition("@")[0]


def _shells(basis: str, symbol: str) -> Any:
    """Return the shells of a basis; a file that happens to have its name is not read."""
    if Path(basis).is_file():
        raise InputError(f"labelling.basis '{basis}' is the name of a file here, which PySCF would read instead")
    shells = _look_up("load", basis, symbol)
    if shells is None:
        raise InputError(f"labelling.basis '{basis}' is not known to PySCF for element {symbol}")
    return shells


def _source(basis: str, name: str) -> str:
    """Return the name under which PySCF may have the potential of a basis."""
    if found := re.fullmatch(r"(?:aug)?ccpw?c?v([dtq5])zpp", name):
        return f"ccpv{found[1]}zpp"  # one core potential for all sizes
    if found := re.fullmatch(r"(ccecp(?:28|36|he|reg)?).*", name):
        return found[1]
    if name.startswith("bfd"):
        return "bfdpp"
    return "def2svp" if name.startswith("def2m") else basis.partition("@")[0]


def _look_up(function: str, name: str, symbol: str) -> Any:
    """Return what a function of PySCF's basis library finds; None if it finds nothing."""
    from pyscf.gto import basis as library

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PySCF suggests other sources of a basis
            return getattr(library, function)(name, symbol) or None
    except Exception:  # KeyError, PySCF's own errors, and those of its text parser
        return None


def _core_part(shells: Any, number: int) -> float:
    """Return the lowest energy of one electron on a bare nucleus in a basis over the exact one."""
    from pyscf import gto

    spherical = [shell for shell in shells if shell[0] == 0]
    if not spherical:
        return 0.0
    mole = gto.M(atom=[(number, (0.0, 0.0, 0.0))], basis={number: spherical}, spin=number % 2, verbose=0)
    size, vectors = np.linalg.eigh(mole.intor("int1e_ovlp"))
    kept = vectors[:, size > 1e-9] / np.sqrt(size[size > 1e-9])
    bare = mole.intor("int1e_kin") + mole.intor("int1e_nuc")
    return float(np.linalg.eigvalsh(kept.T @ bare @ kept)[0] / (-0.5 * number**2))
