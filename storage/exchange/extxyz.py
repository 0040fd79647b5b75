"""Format ``extxyz``: a dataset or a trajectory as extended xyz, which programs that train read."""

from __future__ import annotations

from storage.exchange.exporter import Files, Format
from storage.exchange.subject import DatasetSubject
from storage.exchange.trajectory_subject import TrajectorySubject
from storage.exchange.xyz_files import read_back, xyz_files, xyz_frame
from storage.records import Dataset
from storage.xyz import UNITS

UNIT = "eV"
"""Unit of energies that programs which train on extended xyz assume."""


def extxyz_files(subject: DatasetSubject) -> Files:
    """Return extended xyz: ``REF_energy`` in eV, ``energy_unit`` that says so, and ``REF_forces`` in eV/Angstrom.

    Forces are those of the n-body energy, and are there where the dataset has gradients.
    """
    charge = subject.nmer.charge
    forces = "" if subject.dataset.gradient is None else ":REF_forces:R:3"

    def comment(data: Dataset, n: int) -> str:
        return (
            f'Properties=species:S:1:pos:R:3{forces} pbc="F F F" '
            f"REF_energy={float(data.energy[n]) / UNITS[UNIT]!r} energy_unit={UNIT} "
            f"total_charge={charge} config_id={data.ids[n]}"
        )

    return xyz_files(subject, comment, force=UNITS[UNIT])


def extxyz_of_trajectory(subject: TrajectorySubject) -> Files:
    """Return one file for each replica, atoms in the system's order: positions, cell, energies and temperature.

    The potential energy is ``energy``, and that of the bias ``bias_energy``, in eV; ``time`` is in fs.
    """
    found: dict[str, str] = {}
    for one in subject.written:
        frames = []
        for n in range(len(one)):
            cell = one.vectors_of(n)
            if cell is None:
                words = ['pbc="F F F"']
            else:
                words = [f'Lattice="{" ".join(repr(float(value)) for value in cell.flat)}"', 'pbc="T T T"']
            energies = {"energy": one.energy, "kinetic_energy": one.kinetic}
            if one.bias is not None:
                energies["bias_energy"] = one.bias
            words += [f"{name}={float(values[n]) / UNITS[UNIT]!r}" for name, values in energies.items()]
            words += [f"temperature={float(one.temperature[n])!r}", f"time={float(one.times[n])!r}"]
            words.append(f"step={int(one.steps[n])}")
            frames.append(
                xyz_frame(one.symbols, one.positions[n], " ".join(["Properties=species:S:1:pos:R:3", *words]))
            )
        found[f"replica-{one.replica}.xyz"] = "".join(frames)
    return found


FORMAT = Format(
    name="extxyz",
    title="extended xyz with REF_energy in eV, and REF_forces where there are gradients",
    takes=DatasetSubject,
    files=extxyz_files,
    read_back=read_back,
    of_trajectory=extxyz_of_trajectory,
)
