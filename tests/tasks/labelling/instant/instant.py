"""An engine for tests that takes no time; what becomes of a label follows the distance of its two atoms."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from recipes.engines import JobSize, LabelCost, Method
from recipes.schema.labelling import Labelling
from tasks.labelling.engines.interface import OK, Engine, Job, Result

SLOW, GREEDY, PROGRAM, HANGING, DEADLY_ONCE, DEADLY = 500.0, 600.0, 650.0, 700.0, 800.0, 900.0
"""Distances (Angstrom) from which on a label takes a while, eats memory, has a program do that, hangs, kills its
process the first time or each time."""

SETTINGS = Labelling.model_construct(engine="instant", method="instant", counterpoise=False)
"""Its protocol; it is valid only where the fixture ``instant`` is in use."""

HUNGRY = "import os, time; x = os.urandom(1024) * 400_000; time.sleep(600)"


class InstantEngine(Engine):
    """Energies by a formula of no meaning."""

    name = "instant"
    title = "a formula of no meaning"
    methods = (Method("instant", "a formula of no meaning", ("total",), own_basis=True),)
    options: ClassVar = {"scf_tolerance": ("instant",)}
    labels_per_process = 200

    @staticmethod
    def cost(labelling: Labelling, jobs: Sequence[JobSize]) -> LabelCost:
        return LabelCost(0.01, 0.2)

    def versions(self) -> dict[str, str]:
        return {"instant": "1"}

    def build(self, job: Job) -> float:
        return math.dist(job.positions[0], job.positions[1]) if len(job.positions) > 1 else 0.0

    def execute(self, job: Job, built: float) -> dict[str, Any]:
        misbehave(built)
        return {"energy": -1.0 - 1.0 / (1.0 + built)}

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        details = {"electrons": 12, "frozen_orbitals": 0, "basis_functions": 10, "scf_converged": True}
        return Result(OK, energy=raw["energy"], components={"total": raw["energy"]}, details=details)


def misbehave(distance: float) -> None:
    if distance >= DEADLY or (distance >= DEADLY_ONCE and first_time(distance)):
        os.kill(os.getpid(), signal.SIGKILL)
    elif HANGING <= distance < DEADLY_ONCE:
        time.sleep(600)
    elif PROGRAM <= distance < HANGING:
        subprocess.run([sys.executable, "-c", HUNGRY, os.getcwd()], start_new_session=True, check=False)
    elif GREEDY <= distance < PROGRAM:
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(1024) * 10_000))
            time.sleep(0.01)
    elif distance >= SLOW:
        time.sleep(0.01)


def first_time(distance: float) -> bool:
    mark = Path(os.environ["NMER_TEST_MARKS"]) / f"{distance:.3f}"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


ENGINE = InstantEngine
