"""The engines by name, and the protocol that a recipe's labelling section means here."""

from __future__ import annotations

from potentials.errors import InputError, MissingProgramError
from tasks.labelling.engine import Engine
from tasks.labelling.orca_engine import OrcaEngine
from tasks.labelling.psi4_engine import Psi4Engine
from tasks.labelling.pyscf_engine import PyscfEngine
from tasks.labelling.pyscf_lno_engine import PyscfLnoEngine
from tasks.labelling.xtb_engine import XtbEngine

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
