"""The sampling section: how the frames of the pool are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from potentials.nmers.nmer import NMer
from recipes.registry import Registry
from recipes.schema.patterns import OptionalLabel, TypeName
from recipes.schema.section import Atom, Section, Temperature, Window
from recipes.schema.tables import Declaration, Tabled, one_of, several_of


@dataclass(frozen=True, kw_only=True)
class SamplerDeclaration(Declaration):
    """What a recipe reads of a sampler.

    Attributes
    ----------
    frames
        Number of frames that its options ask for, 0 if they leave it open; None: it always makes those that the
        other samplers leave.
    walkers
        Number of independent walkers, each of which needs a frame; 0: it has none.
    biased
        Whether its frames depend on the bias of the sampling section.
    evaluations
        Cost: evaluations of one force field for a number of frames, from the settings, the n-mer and that number.
    check_settings
        Raises ValueError if the sampling section does not say what the sampler needs.
    check_nmer
        Raises InputError if the sampler cannot do for an n-mer what the section asks of it.
    """

    frames: Callable[[Sampling], int] | None = None
    walkers: Callable[[Sampling], int] = lambda settings: 0
    biased: bool = False
    evaluations: Callable[[Sampling, NMer, float], float] = lambda settings, nmer, frames: frames
    check_settings: Callable[[Sampling], None] = lambda settings: None
    check_nmer: Callable[[NMer, Sampling], None] = lambda nmer, settings: None


@dataclass(frozen=True, kw_only=True)
class ForceFieldDeclaration(Declaration):
    """What a recipe reads of a force field.

    Attributes
    ----------
    typed
        Whether its atoms have types and charges, which ``sampling.atom_types`` may change.
    step_seconds
        Cost: CPU time of one evaluation, s; None: as for LAMMPS, which is negligible.
    """

    typed: bool = True
    step_seconds: Callable[[NMer], float] | None = None


SAMPLERS: Registry[SamplerDeclaration] = Registry("sampling.sampler", "tasks.sampling.samplers", "SAMPLER")
FORCE_FIELDS: Registry[ForceFieldDeclaration] = Registry(
    "sampling.force_field", "tasks.sampling.force_fields", "FORCE_FIELD"
)

AtomsOfCV = Annotated[tuple[Atom, ...], Field(min_length=2, max_length=4)]
MOST_FRAMES = 100_000_000
"""Largest number of frames of a pool; the papers have 600,000."""

KINDS = {2: "distance", 3: "angle", 4: "torsion"}
"""The kind of variable of two, three, and four atoms."""


class CVFamilyModel(Section):
    """One CV family, a class of equivalent collective variables, as a recipe defines it."""

    variables: tuple[AtomsOfCV, ...] = Field(
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
    """Well-tempered parallel-bias metadynamics with partitioned CV families."""

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
        description="CV families; none: from the bond graph (nmer show --cvs)",
    )


class AtomType(Section):
    """A force-field type or charge that the recipe gives to some atoms, instead of those of the rules."""

    atoms: tuple[Atom, ...] = Field(min_length=1, description="atoms of the n-mer, from 0")
    type: TypeName | None = Field(
        None, description="as the force field names it: protein-H1, 140; none: the rule's"
    )
    charge: float | None = Field(None, ge=-5, le=5, description="e; none: the rule's, and caps share what is left")
    force_field: Annotated[str, one_of(FORCE_FIELDS)] | None = Field(
        None, description="whose type it is; none: the recipe's only force field with types"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.type is None and self.charge is None:
            raise ValueError("atom_types needs a type, a charge, or both")
        return self


class Sampling(Tabled):
    """The frames of the pool: from one sampler or from several, each with a table of its own options."""

    LATER: ClassVar[Mapping[str, Any]] = {"atom_types": []}
    CHOICE: ClassVar[str] = "sampler"
    REGISTRY: ClassVar[Registry[Any]] = SAMPLERS

    sampler: several_of(SAMPLERS) = Field("pbmetad", description="a sampler, or a list of them")  # type: ignore[valid-type]
    engine: Literal["native", "plumed"] = Field(
        "native", description="what computes the bias: the compiled kernel, or PLUMED if PLUMED_KERNEL loads"
    )
    force_field: several_of(FORCE_FIELDS) = Field(  # type: ignore[valid-type]
        "ff14SB", description="a force field, or a list of them: each has its own walkers"
    )
    water_model: Literal["TIP4P/2005f"] = "TIP4P/2005f"
    atom_types: tuple[AtomType, ...] = Field(
        (),
        max_length=1000,
        description="types and charges of some atoms; none: from the bond graph (nmer show --force-field)",
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
    equilibration: float = Field(2.0, ge=0, le=10_000, description="time discarded at the start of a walker (ps)")
    damping: float = Field(100.0, gt=0, le=10_000, description="relaxation time of the Langevin thermostat (fs)")
    seeds_per_window: int = Field(1, ge=1, le=1000, description="independent walkers per temperature and window")
    seed: int = Field(2025, ge=1, le=900_000_000)
    bias: Bias = Bias()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for lower, upper in self.windows:
            if lower >= upper:
                raise ValueError(f"window [{lower:g}, {upper:g}] (A) must rise: lower < upper")
        if self.stride < self.timestep:
            raise ValueError(f"stride = {self.stride:g} fs must be at least the timestep, {self.timestep:g} fs")
        return self

    @model_validator(mode="after")
    def _frames_add_up(self) -> Self:
        for name in self.samplers:
            SAMPLERS.get(name).check_settings(self)
        shares = self.shares
        for name, frames in shares.items():
            if frames < 1:
                declared = SAMPLERS.get(name)
                own = declared.options.TABLE if declared.frames and declared.options else ""
                hint = f"set {own}.frames" if own else "raise frames"
                raise ValueError(f"sampler '{name}' would make {frames} of the {self.frames} frames; {hint}")
        if sum(shares.values()) != self.frames:
            others = [f"'{one.name}'" for one in SAMPLERS if one.frames is None]
            raise ValueError(
                f"the samplers {', '.join(self.samplers)} make {sum(shares.values())} frames, but frames = "
                f"{self.frames}; make them equal, or let one that makes the rest join: {', '.join(others)}"
            )
        return self

    @model_validator(mode="after")
    def _types_belong(self) -> Self:
        typed = [f for f in self.force_fields if FORCE_FIELDS.get(f).typed]
        seen: set[tuple[str, int]] = set()
        for given in self.atom_types:
            if given.force_field is None and len(typed) != 1:
                raise ValueError(
                    f"atom_types of atoms {list(given.atoms)} must name its force_field; allowed: "
                    f"{', '.join(typed) or f'none, {self.force_fields[0]} has no types'}"
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
    def samplers(self) -> tuple[str, ...]:
        """The samplers, in the recipe's order."""
        return (self.sampler,) if isinstance(self.sampler, str) else tuple(self.sampler)

    @property
    def force_fields(self) -> tuple[str, ...]:
        """The force fields, in the recipe's order."""
        return (self.force_field,) if isinstance(self.force_field, str) else tuple(self.force_field)

    @property
    def shares(self) -> dict[str, int]:
        """Frames of each sampler: what its options ask for, and one that leaves it open makes the rest."""
        declared = [SAMPLERS.get(name) for name in self.samplers]
        shares = {one.name: one.frames(self) if one.frames else 0 for one in declared}
        rest = [one.name for one in declared if one.frames is None] or [n for n in shares if not shares[n]]
        if rest:
            shares[rest[0]] = self.frames - sum(shares.values())
        return shares

    @property
    def walkers(self) -> int:
        """Number of independent walkers."""
        return sum(SAMPLERS.get(name).walkers(self) for name in self.samplers)


def check_atoms(key: str, groups: Sequence[tuple[int, ...]], nmer: NMer) -> None:
    """Raise ValueError if a key of the sampling section names an atom that an n-mer does not have.

    Parameters
    ----------
    key
        For the message: ``bias.families``.
    groups
        Atoms, counted from 0.
    nmer
        The n-mer.
    """
    for atoms in groups:
        if atoms and max(atoms) >= nmer.natoms:
            raise ValueError(f"sampling.{key}: atoms {list(atoms)} must be from 0 to {nmer.natoms - 1}")
