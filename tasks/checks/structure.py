"""Secondary structure along a trajectory: mdtraj's DSSP, and the regions of phi and psi beside it.

DSSP (Kabsch and Sander, Biopolymers 22, 2577 (1983)) counts hydrogen bonds and does not tell the hand of a helix:
a left-handed one is H too. The regions of phi and psi tell it.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.chemistry.backbone import backbone_torsions
from storage.exchange.mdtraj_frames import to_mdtraj
from storage.trajectory import Trajectory
from tasks.checks.internal import torsions

CODES = {"alpha": "H", "3-10": "G", "pi": "I", "strand": "EB", "turn": "TS"}
"""DSSP's letters of each kind."""

REGIONS = {
    "right": ((-110.0, -30.0), (-80.0, 0.0)),
    "left": ((30.0, 110.0), (0.0, 80.0)),
    "c7": ((-110.0, -55.0), (40.0, 110.0)),
    "ppii": ((-110.0, -50.0), (110.0, 180.0)),
    "beta": ((-180.0, -110.0), (90.0, 180.0)),
}
"""phi and psi of each region, degrees: right- and left-handed helices, C7eq, PPII, and extended."""


def dssp(trajectory: Trajectory) -> dict[str, Floats]:
    """Return the share of residues in each kind of secondary structure, (frames,), by DSSP.

    Residues are those that DSSP assigns, without Ace and Nme.

    Raises
    ------
    InputError
        If the trajectory has no amino acids.
    MissingProgramError
        If mdtraj is missing.
    """
    frames = to_mdtraj(trajectory)
    import mdtraj

    found = mdtraj.compute_dssp(frames, simplified=False)
    residues = np.array([one.is_protein and one.name not in ("ACE", "NME") for one in frames.topology.residues])
    if not residues.any():
        raise InputError("the trajectory has no amino acids, so that it has no secondary structure")
    letters = found[:, residues]
    return {kind: np.isin(letters, list(codes)).mean(axis=1) for kind, codes in CODES.items()}


def regions(trajectory: Trajectory) -> dict[str, Floats]:
    """Return the share of residues in each region of phi and psi, (frames,).

    Residues are those between two amides.

    Raises
    ------
    InputError
        If there are none.
    """
    pairs = backbone_torsions(trajectory.symbols, trajectory.bonds)
    if not pairs:
        raise InputError("the trajectory has no residue between two amides, so that it has no phi and psi")
    phi, psi = (torsions(trajectory.positions, np.array(atoms)) for atoms in zip(*pairs, strict=True))
    found = {}
    for name, ((low, high), (bottom, top)) in REGIONS.items():
        inside = (phi >= low) & (phi < high) & (psi >= bottom) & (psi < top)
        found[name] = np.asarray(inside.mean(axis=1))
    return found
