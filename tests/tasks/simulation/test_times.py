"""Lengths of simulations as users write them."""

from __future__ import annotations

import pytest

from potentials.errors import InputError
from tasks.simulation.times import duration, steps_of


@pytest.mark.parametrize(
    ("text", "timestep", "every", "steps"),
    [
        ("100ps", 0.5, 100, 200_000),
        ("500 fs", 0.5, 100, 1000),
        ("0.1ns", 0.2, 7 * 100, None),
        ("1us", 0.1, 100, 10_000_000_000),
        ("0.3fs", 0.1, 3, 3),  # 0.3 / 0.1 is not 3 in floating point
    ],
)
def test_times_are_whole_numbers_of_frames(text: str, timestep: float, every: int, steps: int | None) -> None:
    if steps is None:
        with pytest.raises(InputError, match=r"not a whole number of frames of 140 fs \(700 steps of 0.2 fs\)"):
            steps_of(text, timestep, every)
    else:
        assert steps_of(text, timestep, every) == steps


@pytest.mark.parametrize("text", ["", "10", "ps", "-1ps", "1e3ps", "1 minute", "1ps; shell rm", "0ps", "١ps"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--time is "):
        steps_of(text, 0.5, 100)


def test_the_time_that_is_allowed_is_allowed() -> None:
    with pytest.raises(InputError, match="allowed: 5050fs, for example"):
        steps_of("5.03ps", 0.5, 100)
    assert steps_of("5050fs", 0.5, 100) == 10_100
    assert [duration(t) for t in (50.0, 1000.0, 2.5e6, 1e10)] == ["50 fs", "1 ps", "2.5 ns", "10 us"]
