"""Water as TIP4P/2005f in every force field that LAMMPS computes."""

from __future__ import annotations

from typing import Any

from potentials.nmers.fragment import Fragment
from potentials.units import KB_2010, KCAL_IN_KJ
from tasks.sampling.force_fields.parameters import Parameters

TIP4P_2005F: dict[str, Any] = {  # Gonzalez and Abascal, J. Chem. Phys. 135, 224516 (2011)
    "sigma": 3.1644,
    "epsilon": 93.2 * KB_2010,
    "q_h": 0.5564,
    "morse": (432.581 / KCAL_IN_KJ, 2.287, 0.9419),
    "angle": (367.810 / KCAL_IN_KJ / 2, 107.4),
    "qdist": 0.147144,  # oxygen to the massless charge at the equilibrium angle
}


def is_water(fragment: Fragment) -> bool:
    """Return whether a fragment is a neutral water molecule, oxygen first."""
    return fragment.symbols == ("O", "H", "H") and not fragment.caps and not fragment.charge


def water_parameters() -> Parameters:
    """Return the parameters of one water: O, H, H; LAMMPS places the oxygen's charge at the massless site."""
    q = TIP4P_2005F["q_h"]
    return Parameters(
        charges=[-2 * q, q, q],
        sigma=[TIP4P_2005F["sigma"], 1.0, 1.0],
        epsilon=[TIP4P_2005F["epsilon"], 0.0, 0.0],
        types=["OW", "HW", "HW"],
        bonds=[(0, i, "morse", TIP4P_2005F["morse"]) for i in (1, 2)],
        angles=[(1, 0, 2, *TIP4P_2005F["angle"])],
    )
