"""PLUMED itself as the engine of metadynamics, for one segment."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.errors import StageError
from tasks.bias.hills_file import HillsReader, write_hills
from tasks.bias.metad import MetaDBias
from tasks.bias.metad_hills import from_table, to_table
from tasks.bias.plumed_engine import PlumedRun, check_widths
from tasks.bias.plumed_metad import metad_input, metad_labels


class PlumedMetaDBias(PlumedRun):
    """PLUMED's METAD for one segment, with all hills of before.

    It has one walker for PLUMED: hills of other walkers are among those of before, so that they are exchanged
    between two segments as with the native engine.

    Parameters
    ----------
    bias
        The bias at the segment's start; `finish` adds the segment's hills to it.
    masses
        (atoms,), u.

    Raises
    ------
    InputError
        If the wrapper or PLUMED's kernel is missing, or PLUMED's bias would differ from the kernel's.
    """

    def __init__(self, bias: MetaDBias, masses: tuple[float, ...]) -> None:
        check_widths(bias.settings.grids)
        hills = bias.hills
        super().__init__(masses, bias.timestep, len(hills) > 0, bias.box)
        self._of, self._before = bias, len(hills)
        self._heads = tuple(zip(metad_labels(bias.cvs), bias.settings.periodic, strict=True))
        if len(hills):
            write_hills(self.folder / "HILLS", to_table(bias.settings, hills), self._heads)
        nearest = bias.box is not None
        self.begin(metad_input(bias.settings, bias.cvs, stride=1_000_000, folder=self.folder, nearest=nearest))

    def finish(self) -> Floats:
        """Close PLUMED, add this segment's hills to the bias, and return them as `MetaDBias.hills`.

        Raises
        ------
        StageError
            If PLUMED met an error; no hill is added.
        """
        self.close()
        if self.problem:
            raise StageError(self.problem)
        table = HillsReader(self.folder / "HILLS", self._heads).more()[self._before :]
        hills = from_table(self._of.settings, table, self._of.walker)
        hills[:, 1] = np.rint(hills[:, 1] / self._timestep) * self._timestep
        self._of.add(hills)
        return hills
