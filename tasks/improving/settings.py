"""The settings of a turn of improvement: what is simulated, how much is labelled, and what decides."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipes.schema.section import Section
from tasks.checks.stability import Temperatures
from tasks.simulation.settings import SimulationSettings


class ImproveSettings(Section):
    """The settings of a turn; with the potentials and the number of the turn they decide all that it does."""

    temperatures: Temperatures = Field((300.0, 500.0), description="of the simulations (K)")
    replicas: int = Field(8, ge=2, le=1000, description="simulations of a molecule at each temperature")
    picoseconds: float = Field(6.0, gt=0, le=1e6, description="length of each simulation (ps)")
    cell_replicas: int = Field(2, ge=2, le=1000, description="simulations of a system in a periodic cell")
    cell_picoseconds: float = Field(1.0, gt=0, le=1e6, description="length of each of them (ps)")
    timestep: float = Field(0.5, gt=0, le=5, description="fs")
    stride: float = Field(50.0, gt=0, le=1e5, description="time between frames (fs)")
    damping: float = Field(100.0, gt=0, le=1e6, description="relaxation time of the Langevin thermostat (fs)")
    picks: int = Field(120, ge=1, le=100_000, description="most labels of each n-mer that a turn adds")
    judged: int = Field(40, ge=2, le=100_000, description="geometries of each n-mer that are labelled to judge")
    among: int = Field(
        4000, ge=2, le=1_000_000, description="geometries of each n-mer that are drawn to choose picks among"
    )
    margin: float = Field(
        3.0, ge=0, le=1000, description="labels up to the highest of the recipe's training set and this (kcal/mol)"
    )
    tolerance: Annotated[
        float, Field(ge=0, le=1, description="a rise of an error by less than this fraction is none")
    ] = 0.05
    refit: Literal["coefficients", "full"] = Field(
        "coefficients",
        description="coefficients: the terms and k of the potential before; full: the recipe's whole fit",
    )
    seed: int = Field(2025, ge=0, le=2**32 - 1, description="seed of simulations and draws")

    def simulation(self, number: int, temperature: float, periodic: bool) -> SimulationSettings:
        """Return the settings of a turn's simulations at a temperature (K), in a cell or in vacuum."""
        picoseconds = self.cell_picoseconds if periodic else self.picoseconds
        every = max(1, round(self.stride / self.timestep))
        frames = max(2, round(1000.0 * picoseconds / (every * self.timestep)))
        return SimulationSettings(
            ensemble="nvt",
            temperature=temperature,
            timestep=self.timestep,
            steps=frames * every,
            every=every,
            damping=self.damping,
            seed=self.seed + 1009 * number,
            replicas=self.cell_replicas if periodic else self.replicas,
            segment=500 if periodic else 2000,
        )

    def set_apart(self, number: int, replicas: int) -> set[int]:
        """Return the replicas of a turn, counted from 0, whose frames judge and are never picked: a quarter.

        Replicas start at different folds; with the turns each of them is set apart now and then.
        """
        count = max(1, replicas // 4)
        return {(number * count + n) % replicas for n in range(count)}
