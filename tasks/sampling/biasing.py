"""Let one of the two engines bias a segment: the compiled kernel, or PLUMED."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from potentials.arrays import Floats
from tasks.bias.kernel import record
from tasks.bias.plumed_engine import PlumedBias
from tasks.bias.recording import Recording
from tasks.bias.specification import BiasSpec
from tasks.sampling.engine import install_bias, install_python_bias


@contextmanager
def biased(
    program: Any,
    engine: str,
    spec: BiasSpec,
    recording: Recording,
    timestep: float,
    hills_before: Callable[[], Floats],
) -> Iterator[None]:
    """Bias a LAMMPS instance while the context is open; afterwards frames and hills are in the recording.

    Parameters
    ----------
    program
        LAMMPS.
    engine
        ``native`` or ``plumed``.
    spec
        The bias.
    recording
        The segment's buffer; it must outlive the instance.
    timestep
        fs.
    hills_before
        Gives the hills of the earlier segments, which PLUMED restarts from.

    Raises
    ------
    InputError
        If PLUMED is asked for and missing.
    """
    if engine == "native":
        install_bias(program, recording.buffer)
        yield
        return
    with PlumedBias(spec, timestep, hills_before()) as plumed:

        def forces(step: int, x: Floats) -> Floats:
            pull = plumed(recording.step_before + step, x)
            record(recording.buffer, step, x)
            return pull

        install_python_bias(program, forces)
        yield
        recording.take_hills(plumed.finish())
        recording.complaint = plumed.problem
