"""The settings of a simulation: ensemble, length, thermostat, and what is written how often."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recipes.schema.section import Section


class SimulationSettings(Section):
    """The settings of a simulation of all its replicas; they determine its trajectory with model and start."""

    ensemble: Annotated[
        Literal["nve", "nvt", "npt"], Field(description="Constant: energy, temperature, or pressure as well.")
    ] = "nvt"
    temperature: Annotated[
        float, Field(gt=0, le=10_000, description="K; of the thermostat, and of the first velocities.")
    ] = 300.0
    pressure: Annotated[float, Field(ge=-100_000, le=1_000_000, description="atm; of the barostat.")] = 1.0
    timestep: Annotated[float, Field(gt=0, le=10, description="fs.")] = 0.5
    steps: Annotated[int, Field(ge=1, le=10**12, description="Steps of each replica.")] = 10_000
    every: Annotated[int, Field(ge=1, le=10**9, description="Steps between frames that are kept.")] = 100
    thermostat: Annotated[
        Literal["langevin", "nose-hoover"], Field(description="Langevin, or Nose-Hoover chains.")
    ] = "langevin"
    damping: Annotated[float, Field(gt=0, le=1e9, description="fs; relaxation time of the thermostat.")] = 100.0
    barostat_damping: Annotated[float, Field(gt=0, le=1e9, description="fs; relaxation time of the barostat.")] = (
        1000.0
    )
    seed: Annotated[int, Field(ge=0, le=2**53, description="Of velocities and of the thermostat.")] = 2025
    replicas: Annotated[int, Field(ge=1, le=10_000, description="Simulations that differ in their seeds.")] = 1
    segment: Annotated[
        int,
        Field(
            ge=1,
            le=10**12,
            description="Steps between checkpoints, at which the state is saved and neighbour lists, dipoles and "
            "random numbers begin anew; rounded up to a multiple of `every`.",
        ),
    ] = 5000
    minimize: Annotated[bool, Field(description="Whether the energy of the start is minimized before.")] = False

    @model_validator(mode="after")
    def _whole_frames(self) -> Self:
        if self.steps % self.every:
            raise ValueError(f"steps is {self.steps}, and must be a multiple of every, which is {self.every}")
        return self

    @property
    def frames_of_segment(self) -> int:
        """Frames of a segment, without that of its start."""
        return -(-self.segment // self.every)

    @property
    def segments(self) -> int:
        """Number of segments of a replica."""
        return -(-(self.steps // self.every) // self.frames_of_segment)

    def frames_in(self, segment: int) -> int:
        """Return the number of frames of a segment, which for the last may be lower; without that of its start."""
        left = self.steps // self.every - segment * self.frames_of_segment
        return max(0, min(self.frames_of_segment, left))

    @property
    def has_bath(self) -> bool:
        """Whether a Langevin thermostat acts, so that the total momentum is not conserved."""
        return self.ensemble != "nve" and self.thermostat == "langevin"
