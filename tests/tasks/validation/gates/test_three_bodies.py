"""Gates on potentials of three bodies: sound ones pass, those that tell bodies apart or slope wrongly do not."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.nmers.switching import Switching
from tasks.validation.gates.probes import EDGE, switching_shell
from tests.tasks.validation.gates.test_probes import THREE, TRIPLE, WrongSlope, build, clusters, verdict

KEYS = {"three": (THREE, (0, 3, 6)), "triple": (TRIPLE, (0, 1, 4)), "means": (THREE, ((1, 2), (4, 5), (7, 8)))}
RADII = [(4.5, 6.5), (2.5, 4.0)]
"""Beyond the data, and among them."""


@pytest.mark.parametrize("radii", RADII)
@pytest.mark.parametrize("case", KEYS)
def test_a_sound_product_passes(case: str, radii: tuple[float, float]) -> None:
    nmer, keys = KEYS[case]
    potential, positions = build(nmer, Switching(keys, *radii), degree=3), clusters(nmer, 40, 1)
    assert verdict(potential, positions) == {}
    shell = switching_shell(potential, positions)
    factor = potential.switching.evaluate(shell)[0] if potential.switching else np.empty(0)
    assert len(shell) > 20 and ((factor > EDGE / 2) & (factor < 1 - EDGE / 2)).all()


@pytest.mark.parametrize("radii", RADII)
@pytest.mark.parametrize("times", [0.0, 0.99])
def test_a_wrong_derivative_of_the_product_is_caught(times: float, radii: tuple[float, float]) -> None:
    planted = build(THREE, WrongSlope((0, 3, 6), *radii, times), degree=3)
    assert list(verdict(planted, clusters(THREE, 40, 1))) == ["gradient"]


@pytest.mark.parametrize("keys", [(0, 3), (0, 3, 7), (0, 3, (6, 7)), (0, 3, (7, 8))])
def test_a_switching_that_tells_waters_apart_is_caught(keys: tuple[int | tuple[int, ...], ...]) -> None:
    """A pair of keys, or keys that are not the same atoms of each, as recipes once could have."""
    planted = build(THREE, Switching(keys, 4.5, 6.5), degree=3)
    assert list(verdict(planted, clusters(THREE, 40, 1))) == ["permutation"]
