"""Hartree-Fock with gradients, by PySCF: the surface on which most searches of a minimum begin."""

from __future__ import annotations

from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from potentials.units import BOHR
from tasks.labelling.engines.core_potentials import core_potentials
from tasks.labelling.engines.self_consistent import converge

START_BASIS = "def2-svp"
"""Every element up to radon but Ce to Lu; core potentials from Rb on."""


class HartreeFock:
    """Energy and gradient of HF/def2-SVP; each calculation starts from the density of the last.

    Parameters
    ----------
    molecule
        Symbols and charge.

    Raises
    ------
    InputError
        If PySCF does not have the basis for an element.
    """

    def __init__(self, molecule: NMer) -> None:
        self._molecule = molecule
        try:
            self._potentials = core_potentials(START_BASIS, molecule.symbols)
        except InputError:
            raise InputError(
                f"labelling.reference = 'optimized': the search of the minimum begins with HF/{START_BASIS}, "
                f"which PySCF does not have for an element of '{molecule.name}'; set labelling.reference = 'none'"
            ) from None
        self._density: Any = None

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return the energy in hartree and the gradient (atoms, 3) in hartree/Angstrom.

        Parameters
        ----------
        x
            (atoms, 3), Angstrom.

        Raises
        ------
        StageError
            If the SCF does not converge.
        """
        from pyscf import gto
        from pyscf.scf import hf

        atoms = list(zip(self._molecule.symbols, x.tolist(), strict=True))
        mole = gto.M(
            atom=atoms,
            unit="Angstrom",
            basis=START_BASIS,
            ecp=self._potentials,
            charge=self._molecule.charge,
            verbose=0,
        )
        field = hf.RHF(mole)
        field.conv_tol = 1e-10
        converge(field, self._density)
        if not field.converged:
            raise StageError(f"labelling: Hartree-Fock of '{self._molecule.name}' did not converge")
        self._density = field.make_rdm1()
        return float(field.e_tot), np.asarray(field.nuc_grad_method().kernel()) / BOHR
