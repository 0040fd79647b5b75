"""Format ``extxyz``: a dataset as extended xyz, which programs that train on configurations read."""

from __future__ import annotations

from storage.exchange.exporter import Files, Format
from storage.exchange.subject import DatasetSubject
from storage.exchange.xyz_files import read_back, xyz_files
from storage.records import Dataset
from storage.xyz import UNITS

UNIT = "eV"
"""Unit of energies that programs which train on extended xyz assume."""


def extxyz_files(subject: DatasetSubject) -> Files:
    """Return extended xyz: ``REF_energy`` in eV, and ``energy_unit`` that says so."""
    charge = subject.nmer.charge

    def comment(data: Dataset, n: int) -> str:
        return (
            f'Properties=species:S:1:pos:R:3 pbc="F F F" REF_energy={float(data.energy[n]) / UNITS[UNIT]!r} '
            f"energy_unit={UNIT} total_charge={charge} config_id={data.ids[n]}"
        )

    return xyz_files(subject, comment)


FORMAT = Format(
    name="extxyz",
    title="extended xyz with REF_energy in eV",
    takes=DatasetSubject,
    files=extxyz_files,
    read_back=read_back,
)
