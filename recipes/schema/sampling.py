"""The sampling section: which frames make the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from recipes.schema.patterns import OptionalLabel, TypeName
from recipes.schema.section import Atom, Section, Temperature, Window

Sampler = Literal["pbmetad", "normal-modes", "scan"]
ForceField = Literal["ff14SB", "OPLS-AA", "GFN2-xTB"]
Variable = Annotated[tuple[Atom, ...], Field(min_length=2, max_length=4)]
MOST_FRAMES = 100_000_000
"""Frames of a pool; the papers have 600,000."""

KINDS = {2: "distance", 3: "angle", 4: "torsion"}
"""What two, three, and four atoms make."""


class CVFamilyModel(Section):
    """One family of collective variables, as a chemist writes it down."""

    variables: tuple[Variable, ...] = Field(
        min_length=1,
        max_length=1000,
        description="equivalent variables: two atoms make a distance, three an angle, four a torsion, from 0",
    )
    name: OptionalLabel = Field("", description="for tables; empty is made from the kind and the atoms' letters")
    sigma: float | None = Field(None, gt=0, le=5, description="hill width (A or rad); none is the bias's own")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len({len(v) for v in self.variables}) > 1:
            raise ValueError("the variables of one family must be of one kind: all of 2, of 3, or of 4 atoms")
        for variable in self.variables:
            if len(set(variable)) != len(variable):
                raise ValueError(f"variable {list(variable)} names an atom twice")
        return self


class Bias(Section):
    """Well-tempered parallel-bias metadynamics with partitioned families."""

    LATER: ClassVar[Mapping[str, Any]] = {"families": []}

    height: float = Field(0.1, gt=0, le=10, description="initial hill height (kcal/mol)")
    pace: int = Field(200, ge=1, le=100_000_000, description="steps between hills")
    biasfactor: float = Field(10.0, gt=1, le=1000, description="well-tempered bias factor gamma")
    sigma_distance: float = Field(0.05, gt=0, le=5, description="hill width of distances (A)")
    sigma_intermolecular: float = Field(
        0.2, gt=0, le=5, description="hill width of distances between fragments (A)"
    )
    sigma_angle: float = Field(0.1, gt=0, le=3.2, description="hill width of angles and dihedrals (rad)")
    wall_kappa: float = Field(500.0, gt=0, le=1e5, description="stiffness of the window's walls (kcal/mol/A^2)")
    families: tuple[CVFamilyModel, ...] = Field(
        (),
        max_length=1000,
        description="families of collective variables; none: from the bond graph (nmer show --cvs)",
    )


class NormalModes(Section):
    """Frames displaced along the normal modes of the force field's minimum."""

    frames: int = Field(
        0, ge=0, le=MOST_FRAMES, description="frames, where other samplers run too; alone it makes all frames"
    )
    statistics: Literal["quantum", "classical"] = Field(
        "quantum", description="harmonic distribution of the displacements at each temperature"
    )


class ScanAxis(Section):
    """One variable that a scan moves over evenly spaced values."""

    atoms: tuple[Atom, ...] = Field(
        (),
        max_length=4,
        description="2 (distance), 3 (angle) or 4 (torsion) atoms; none: the distance of the fragments' centres",
    )
    lower: float = Field(ge=-360, le=360, description="first value (A or degrees)")
    upper: float = Field(ge=-360, le=360, description="last value (A or degrees)")
    points: int = Field(ge=1, le=1_000_000, description="number of values, both ends among them")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.atoms) == 1 or len(set(self.atoms)) != len(self.atoms):
            raise ValueError(f"atoms {list(self.atoms)} must be none, or 2, 3, or 4 different atoms")
        if self.points > 1 and self.lower >= self.upper:
            raise ValueError(f"lower = {self.lower:g} must be less than upper = {self.upper:g}")
        if len(self.atoms) in (0, 2) and self.lower <= 0:
            raise ValueError(f"lower = {self.lower:g} A must be above 0: it is a distance")
        return self


class Scan(Section):
    """Frames on a grid of variables, all else as in the force field's minimum."""

    axes: tuple[ScanAxis, ...] = Field((), max_length=4, description="the variables of the grid")
    orientations: int = Field(
        1, ge=1, le=1_000_000, description="random orientations of the second fragment at each point; 1: none"
    )

    @property
    def frames(self) -> int:
        """Number of frames: points of the grid times orientations."""
        total = self.orientations if self.axes else 0
        for axis in self.axes:
            total *= axis.points
        return total


class AtomType(Section):
    """A force-field type or charge that some atoms have by the recipe's word, in the place of the rules' own."""

    atoms: tuple[Atom, ...] = Field(min_length=1, description="atoms of the n-mer, from 0")
    type: TypeName | None = Field(
        None, description="as the force field names it: protein-H1, 140; none: the rule's"
    )
    charge: float | None = Field(None, ge=-5, le=5, description="e; none: the rule's, and caps share what is left")
    force_field: Literal["ff14SB", "OPLS-AA"] | None = Field(
        None, description="whose type it is; none: the recipe's only force field with types"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.type is None and self.charge is None:
            raise ValueError("atom_types needs a type, a charge, or both")
        return self


class Sampling(Section):
    """The frames of the pool: from biased molecular dynamics, from normal modes, from a scan, or from several."""

    LATER: ClassVar[Mapping[str, Any]] = {
        "normal_modes": {"frames": 0, "statistics": "quantum"},
        "scan": {"axes": [], "orientations": 1},
        "atom_types": [],
    }

    sampler: Sampler | Annotated[tuple[Sampler, ...], Field(min_length=1)] = Field(
        "pbmetad", description="one of pbmetad, normal-modes, scan, or a list of them"
    )
    engine: Literal["native", "plumed"] = Field(
        "native", description="what adds the bias: the compiled kernel, or PLUMED where PLUMED_KERNEL loads"
    )
    force_field: ForceField | Annotated[tuple[ForceField, ...], Field(min_length=1)] = Field(
        "ff14SB", description="one of ff14SB, OPLS-AA, GFN2-xTB, or a list of them: each has its own walkers"
    )
    water_model: Literal["TIP4P/2005f"] = "TIP4P/2005f"
    atom_types: tuple[AtomType, ...] = Field(
        (),
        max_length=1000,
        description="types and charges of your own; none: from the bond graph (nmer show --force-field)",
    )
    temperatures: tuple[Temperature, ...] = Field(
        (300.0, 500.0, 700.0), min_length=1, max_length=100, description="K"
    )
    windows: tuple[Window, ...] = Field(
        ((0.0, 4.0), (4.0, 7.0), (7.0, 10.0)),
        min_length=1,
        max_length=100,
        description="[lower, upper) distance between the fragments' centres of mass (A)",
    )
    frames: int = Field(
        600_000, ge=1, le=MOST_FRAMES, description="frames kept, over all samplers and walkers together"
    )
    timestep: float = Field(0.5, ge=0.001, le=2, description="fs")
    stride: float = Field(50.0, gt=0, le=10_000, description="time between frames (fs)")
    equilibration: float = Field(2.0, ge=0, le=10_000, description="time dropped at the start of a walker (ps)")
    damping: float = Field(100.0, gt=0, le=10_000, description="relaxation time of the Langevin thermostat (fs)")
    seeds_per_window: int = Field(1, ge=1, le=1000, description="independent walkers per temperature and window")
    seed: int = Field(2025, ge=1, le=900_000_000)
    bias: Bias = Bias()
    normal_modes: NormalModes = NormalModes()
    scan: Scan = Scan()

    @model_validator(mode="after")
    def _windows_rise(self) -> Self:
        for lower, upper in self.windows:
            if lower >= upper:
                raise ValueError(f"window [{lower:g}, {upper:g}] (A) must rise: lower < upper")
        return self

    @model_validator(mode="after")
    def _steps_between_frames(self) -> Self:
        if self.stride < self.timestep:
            raise ValueError(f"stride = {self.stride:g} fs must be at least the timestep, {self.timestep:g} fs")
        return self

    @model_validator(mode="after")
    def _frames_add_up(self) -> Self:
        for name, several in (("sampler", self.samplers), ("force_field", self.force_fields)):
            if len(set(several)) != len(several):
                raise ValueError(f"{name} = {list(several)} names one of them twice")
        if "scan" in self.samplers and not self.scan.axes:
            raise ValueError("sampler 'scan' needs at least one [[sampling.scan.axes]]")
        for name, frames in self.shares.items():
            if frames < 1:
                hint = "set normal_modes.frames" if name == "normal-modes" else "raise frames"
                raise ValueError(f"sampler '{name}' would make {frames} of the {self.frames} frames; {hint}")
        if sum(self.shares.values()) != self.frames:
            raise ValueError(
                f"the samplers {', '.join(self.samplers)} make {sum(self.shares.values())} frames, but frames = "
                f"{self.frames}; make them equal, or let pbmetad make the rest"
            )
        return self

    @model_validator(mode="after")
    def _types_belong(self) -> Self:
        typed = [f for f in self.force_fields if f != "GFN2-xTB"]
        seen: set[tuple[str, int]] = set()
        for given in self.atom_types:
            if given.force_field is None and len(typed) != 1:
                raise ValueError(
                    f"atom_types of atoms {list(given.atoms)} must name its force_field; "
                    f"allowed: {', '.join(typed) or 'none, GFN2-xTB has no types'}"
                )
            name = given.force_field or typed[0]
            if name not in typed:
                raise ValueError(f"atom_types names {name}; force_field is {list(self.force_fields)}")
            for atom in given.atoms:
                if (name, atom) in seen:
                    raise ValueError(f"atom_types names atom {atom} twice for {name}")
                seen.add((name, atom))
        return self

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """The samplers, in the recipe's order."""
        return self.sampler if isinstance(self.sampler, tuple) else (self.sampler,)

    @property
    def force_fields(self) -> tuple[ForceField, ...]:
        """The force fields, in the recipe's order."""
        return self.force_field if isinstance(self.force_field, tuple) else (self.force_field,)

    @property
    def shares(self) -> dict[str, int]:
        """Frames of each sampler: a scan's grid, the normal modes' own number, and pbmetad the rest."""
        own = {"scan": self.scan.frames, "normal-modes": self.normal_modes.frames}
        shares: dict[str, int] = {name: own.get(name, 0) for name in self.samplers}
        rest = self.frames - sum(shares.values())
        if "pbmetad" in shares:
            shares["pbmetad"] = rest
        elif "normal-modes" in shares and not self.normal_modes.frames:
            shares["normal-modes"] = rest
        return shares

    @property
    def walkers(self) -> int:
        """Number of independent walkers."""
        cells = len(self.temperatures) * len(self.windows) * self.seeds_per_window * len(self.force_fields)
        return cells if "pbmetad" in self.samplers else 0
