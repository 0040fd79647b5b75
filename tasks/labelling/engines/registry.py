"""The engines by name, and the protocol that a recipe's labelling section means here."""

from __future__ import annotations

from potentials.errors import InputError, MissingProgramError
from tasks.labelling.engines.interface import Engine
from tasks.labelling.engines.orca import OrcaEngine
from tasks.labelling.engines.psi4 import Psi4Engine
from tasks.labelling.engines.pyscf import PyscfEngine
from tasks.labelling.engines.pyscf_lno import PyscfLnoEngine
from tasks.labelling.engines.xtb import XtbEngine

ENGINES: dict[str, type[Engine]] = {
    e.name: e for e in (PyscfEngine, PyscfLnoEngine, Psi4Engine, OrcaEngine, XtbEngine)
}
"""Every engine by its name in the recipe."""


def get_engine(name: str) -> Engine:
    """Return an engine that can run here.

    Raises
    ------
    InputError
        If there is no such engine; `MissingProgramError` if its program is not installed.
    """
    if name not in ENGINES:
        raise InputError(f"labelling.engine '{name}' is unknown; allowed: {', '.join(ENGINES)}")
    engine = ENGINES[name]()
    missing = engine.available()
    if missing is not None:
        raise MissingProgramError(f"labelling.engine '{name}' {missing}")
    return engine
