"""One walker of a toy simulation, for tests that kill it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from storage.durable import replacing
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD, MetaDBias
from tasks.bias.shared_hills import SharedHills

SETTINGS = MetaD((0.3, 0.3), (True, True), 0.5, 10, 6.0, 300.0)
CVS = (CV((0, 1, 2, 3)), CV((1, 2, 3, 4)))
HEADS = (("phi", True), ("psi", True))
STEPS = 40


def move(bias: MetaDBias, x: np.ndarray, first: int, seed: int) -> np.ndarray:
    """Diffuse with a weak force to the starting points."""
    rng = np.random.default_rng(seed)
    for step in range(first + 1, first + STEPS + 1):
        _, force = bias(step, x)
        x = x + 0.01 * force + 0.02 * (START - x) + 0.05 * rng.normal(size=x.shape)
    return x


START = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [2.0, 1.4, 0.2], [3.4, 1.5, 0.9]])


def run(folder: Path, own: int, walkers: int, segments: int) -> None:
    """Go on from the checkpoint to a number of segments."""
    checkpoint = folder / f"checkpoint{own}.npz"
    bias = MetaDBias(SETTINGS, CVS, 5, walker=own)
    x, done, read = START, 0, None
    if checkpoint.exists():
        saved = np.load(checkpoint)
        x, done, read = saved["x"], int(saved["done"]), saved["read"]
        bias.add(saved["hills"])
    shared = SharedHills(folder / "hills", HEADS, walkers, own, read)
    shared.publish(bias)

    def save() -> None:
        with replacing(checkpoint) as temporary, temporary.open("xb") as file:
            np.savez(file, x=x, done=done, read=shared.read, hills=bias.hills)

    for segment in range(done, segments):
        x = move(bias, x, segment * STEPS, 1000 * own + segment)
        done = segment + 1
        shared.exchange(bias, save)
