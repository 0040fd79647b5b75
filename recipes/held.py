"""Which protocols' energies a label of another protocol holds: they need not be computed again."""

from __future__ import annotations

from typing import Any

from recipes.engines import ENGINES, Held
from recipes.schema.labelling import Labelling

ITSELF = Held({}, {}, diagnostics=True)
"""The label's own energy: of a protocol that differs in gradients, or in fields that its method does not read."""


def held_energy(source: Labelling, target: Labelling) -> Held | None:
    """Return where a label of one protocol has the energy of another; None if it does not have it.

    The programs must have the same versions, which is not checked here. Both labels consist of the same
    sub-calculations only if counterpoise is the same; of equal sub-calculations the energies are.

    Parameters
    ----------
    source
        The protocol of the label.
    target
        The protocol whose energy is wanted; none has a gradient that follows.
    """
    if source.engine != target.engine or getattr(target, "gradients", False):
        return None
    wanted = energy_settings(target)
    if energy_settings(source) == wanted:
        return ITSELF
    fitted = energy_settings(source).get("density_fitting", False)
    for one in ENGINES.get(source.engine).held(source):
        other = source.model_copy(update={"density_fitting": fitted, **one.changes})
        if energy_settings(other) == wanted:
            return one
    return None


def energy_settings(labelling: Labelling) -> dict[str, Any]:
    """Return the fields that decide the energy of a sub-calculation: those that the method reads.

    Integrals are named fitted wherever they are, whether the recipe says so or the method always does.
    """
    options = ENGINES.get(labelling.engine).options
    read = {name: getattr(labelling, name) for name, methods in options.items() if labelling.method in methods}
    fitted = labelling.density_fitting if "density_fitting" in read else False
    if fitted or labelling.means.fitted or read.get("mp2_basis"):
        read["density_fitting"] = True
    return {"engine": labelling.engine, "method": labelling.method, **read}
