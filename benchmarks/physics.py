"""Time of V_phys: energy and gradient along a trajectory, one thread, us of the processor.

22 atoms are Ace-Ala-Nme, 102 Ace-Ala9-Nme, 622 Ace-Ala-Nme in 200 waters: a dense system has more damped pairs
than a chain of that length. The parameters are plausible numbers, on which the time hardly depends. Atoms swing by
about 0.04 A with periods of 10 to 50 fs, in steps of 0.5 fs.
"""

from __future__ import annotations

from benchmarks.swinging import time_of_step
from tests.potentials.physics.chains import in_water, model


def figures() -> dict[str, float]:
    """Return the time of a call, through the public object, by number of atoms."""
    systems = ((model("AceAlaNme"), 300), (model("AceAla9Nme"), 100), (in_water("AceAlaNme", 200), 20))
    found = {
        f"vphys_us_{len(positions)}": 1e6 * time_of_step(potential, positions, steps)
        for (potential, positions), steps in systems
    }
    return {name: round(value, 1) for name, value in found.items()}
