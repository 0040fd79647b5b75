"""The recipe: frozen models of everything that determines a potential, with visible defaults.

Every section of `Recipe` has the settings of one stage. A section, together with the keys of the stage's inputs,
determines the stage's content; `Resources` sets only where it is computed and within which limits, and never
changes a result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.symmetry import derive_symmetry
from recipes.registry import Registry
from recipes.schema.fitting import Fitting, SwitchingModel
from recipes.schema.gates import Gates
from recipes.schema.graph import check_graph, read_geometry
from recipes.schema.labelling import Labelling
from recipes.schema.levels import Level, check_levels, filled, fitting_of
from recipes.schema.patterns import (
    LONGEST_GEOMETRY,
    Folder,
    FreeLine,
    Label,
    PotentialRef,
    PresetName,
    RecipeName,
    Symmetry,
)
from recipes.schema.sampling import SAMPLERS, Bias, Sampling, check_atoms
from recipes.schema.section import Pair, Section
from recipes.schema.tables import Declaration, Tabled, one_of

__all__ = [
    "Bias",
    "Fitting",
    "FragmentModel",
    "Gates",
    "Labelling",
    "NMerModel",
    "Recipe",
    "Resources",
    "Sampling",
    "Section",
    "SelectionSettings",
    "SwitchingModel",
]


class FragmentModel(Section):
    """One fragment as a recipe defines it."""

    LATER: ClassVar[Mapping[str, Any]] = {"parts": []}

    name: Label = Field(description="displayed name, for example CH3-")
    geometry: str = Field(max_length=LONGEST_GEOMETRY, description="one line an atom: element x y z (A)")
    bonds: tuple[Pair, ...] = Field(description="pairs of atoms of this fragment, counted from 0")
    caps: tuple[int, ...] = Field((), description="atoms that are ghost hydrogens on a cut bond, from 0")
    charge: int = Field(0, ge=-4, le=4, description="total charge (e)")
    parts: tuple[tuple[int, ...], ...] = Field(
        (), description="the 1-mers of a covalent n-mer: the atoms of each, caps included, counted from 0"
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.build()
        return self

    def build(self) -> Fragment:
        """Return the fragment; raises ValueError if its geometry, bonds, or caps are not those of a molecule."""
        symbols, positions = read_geometry(self.geometry)
        check_graph(symbols, self.bonds, self.caps)
        return Fragment(self.name, symbols, positions, self.bonds, self.caps, self.charge, self.parts)


class NMerModel(Section):
    """The n-mer: fragments and the symmetry of their atoms."""

    symmetry: Symmetry = Field(
        "",
        description="letters with counts in atom order, fragments joined by _: A1B1C3_D1E2; empty: derived from "
        "elements, bonds, and caps",
    )
    fragments: tuple[FragmentModel, ...] = Field(min_length=1, max_length=3)

    @model_validator(mode="before")
    @classmethod
    def _derived_symmetry(cls, values: Any) -> Any:
        """Derive an empty symmetry, so that a recipe with it and one without it have the same keys."""
        if not isinstance(values, dict) or values.get("symmetry") or not values.get("fragments"):
            return values
        try:
            fragments = [FragmentModel.model_validate(f).build() for f in values["fragments"]]
        except (ValidationError, TypeError):
            return values  # the validation of the fields reports the error
        return {**values, "symmetry": derive_symmetry(fragments)}

    @model_validator(mode="after")
    def _symmetry_fits(self) -> Self:
        self.build("")
        return self

    def build(self, name: str) -> NMer:
        """Return the n-mer; raises InputError if the symmetry does not fit the geometry."""
        return NMer(name, tuple(f.build() for f in self.fragments), self.symmetry)


@dataclass(frozen=True, kw_only=True)
class DescriptorDeclaration(Declaration):
    """What a recipe reads of a descriptor.

    Attributes
    ----------
    width
        Number of features of an n-mer's frame.
    frame_seconds
        Cost: CPU time to describe a frame, s, beyond that of sorted distances.
    """

    width: Callable[[NMer], int]
    frame_seconds: float = 0.0


DESCRIPTORS: Registry[DescriptorDeclaration] = Registry(
    "selection.descriptor", "tasks.selection.descriptors", "DESCRIPTOR"
)


class SelectionSettings(Tabled):
    """Training and test configurations: the real frames nearest to mini-batch K-means centres."""

    LATER: ClassVar[Mapping[str, Any]] = {
        "descriptor": "sorted-distances",
        "duplicate_distance": 0.01,
        "test_distance": 0.02,
        "max_energy": None,
        "stratify": [],
        "shares": [],
        "potential": "",
    }
    CHOICE: ClassVar[str] = "descriptor"
    REGISTRY: ClassVar[Registry[Any]] = DESCRIPTORS

    method: Literal["mini-batch-k-means", "d-optimality", "uncertainty"] = Field(
        "mini-batch-k-means",
        description="cluster and take the frame nearest to each centre, or take the frames that best determine "
        "the PIP, or add the frames of which a potential is least certain to those that it was fitted to",
    )
    potential: PotentialRef = Field(
        "",
        description="for uncertainty: the potential, NAME@NUMBER, of this n-mer and pool, whose training and test "
        "configurations are kept",
    )
    descriptor: Annotated[str, one_of(DESCRIPTORS)] = Field(
        "sorted-distances", description="what describes a frame: frames are clustered by it"
    )
    train: int = Field(43_000, ge=2, le=1_000_000, description="training configurations")
    test: int = Field(2_000, ge=1, le=1_000_000, description="test configurations")
    levels: Literal["auto", "flat", "two"] = Field(
        "auto", description="cluster at once, or coarsely first; auto: two levels above 2,000 clusters"
    )
    tails: float = Field(
        0.05, ge=0, le=0.5, description="fraction of the training set that is taken farthest from all other frames"
    )
    intermolecular_weight: float = Field(1.0, gt=0, le=100, description="weight of distances between fragments")
    intramolecular_weight: float = Field(1.0, gt=0, le=100, description="weight of distances within a fragment")
    duplicate_distance: float = Field(
        0.01, ge=0, le=10, description="no two configurations nearer than this in the descriptor (A)"
    )
    test_distance: float = Field(
        0.02, ge=0, le=10, description="no test configuration nearer to a training one in the descriptor (A)"
    )
    max_energy: float | None = Field(
        None, gt=0, le=1e6, description="highest force-field energy above the pool's lowest (kcal/mol)"
    )
    stratify: tuple[Literal["window", "temperature"], ...] = Field(
        (),
        description="select from each window, each temperature, or each pair of them separately, in equal parts",
    )
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (),
        max_length=100,
        description="select from the frames of each sampler separately, these fractions in the samplers' order; "
        "empty: from all frames together",
    )
    seed: int = Field(2025, ge=0, le=2**32 - 1)

    @model_validator(mode="after")
    def _names_a_potential(self) -> Self:
        if self.method == "uncertainty" and not self.potential:
            raise ValueError("method = 'uncertainty' needs potential = 'NAME@NUMBER'; give the one to add to")
        if self.potential and self.method != "uncertainty":
            raise ValueError(
                f"potential is for method = 'uncertainty', and method is '{self.method}'; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        if self.shares and abs(sum(self.shares) - 1.0) > 1e-6:
            raise ValueError(f"shares = {list(self.shares)} add up to {sum(self.shares):g}; they must add up to 1")
        return self


class Resources(Section):
    """Where a recipe is computed and within which limits: never part of a key."""

    workers: int = Field(
        0, ge=0, le=10_000, description="processes at once; 0 is one per core that fits in memory"
    )
    label_timeout: float = Field(3600.0, gt=0, le=31_536_000, description="wall time of one label's process (s)")
    label_memory: float = Field(4.0, gt=0, le=100_000, description="memory of one label's process (GiB)")
    scratch: Folder = Field("", description="folder for engines' temporary files; empty: in the store")
    keep_hills: bool = Field(
        True, description="keep each walker's plumed.dat and HILLS files, in the store's folder 'plumed'"
    )


class Recipe(Section):
    """Everything that determines one n-mer's potential."""

    format: Literal[1] = 1
    name: RecipeName
    title: FreeLine = ""
    licence: FreeLine = Field(
        "not stated", min_length=1, description="of the data that are made, for example CC-BY-4.0; part of no key"
    )
    preset: PresetName = Field("", description="the preset that was applied; empty is none")
    nmer: NMerModel
    sampling: Sampling = Field(default_factory=Sampling)
    selection: SelectionSettings = Field(default_factory=SelectionSettings)
    labelling: Labelling = Field(default_factory=Labelling)
    fitting: Fitting = Fitting()
    gates: Annotated[SerializeAsAny[Gates], PlainValidator(Gates.read)] = Field(default_factory=Gates.of)
    resources: Resources = Resources()
    levels: tuple[Level, ...] = Field(
        (),
        description="protocols for nested subsets of the configurations, the cheapest, which labels all of them, "
        "first; empty: one protocol, that of labelling",
    )

    @model_validator(mode="before")
    @classmethod
    def _filled_from_levels(cls, values: Any) -> Any:
        """Complete the selection and the labelling section from the levels."""
        fields = SelectionSettings.model_fields
        defaults = fields["train"].default, fields["test"].default
        return filled(values, defaults) if isinstance(values, dict) else values

    @model_serializer(mode="wrap")
    def _without_empty_levels(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out levels that are not there, so that a recipe without them is written as it always was."""
        found: dict[str, Any] = write(self)
        if not self.levels:
            found.pop("levels", None)
        return found

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        nmer = self.build_nmer()
        if self.selection.train + self.selection.test > self.sampling.frames:
            raise ValueError(
                f"selection.train + selection.test = {self.selection.train + self.selection.test} is more than "
                f"sampling.frames = {self.sampling.frames}; choose at most as many as there are frames"
            )
        sampling, shares = self.sampling, self.selection.shares
        if shares and len(shares) != len(sampling.samplers):
            raise ValueError(
                f"selection.shares has {len(shares)} fractions; sampling.sampler is {list(sampling.samplers)}; "
                "give one for each sampler"
            )
        check_atoms("bias.families", [v for f in sampling.bias.families for v in f.variables], nmer)
        check_atoms("atom_types", [t.atoms for t in sampling.atom_types], nmer)
        for sampler in SAMPLERS:
            sampler.check_nmer(nmer, sampling)
        switching = self.fitting.switching
        if switching and switching.build().highest >= nmer.natoms:
            raise ValueError(f"fitting.switching.atoms must be atoms from 0 to {nmer.natoms - 1}")
        if self.fitting.terms == "intermolecular" and len(nmer.fragments) < 2:
            raise ValueError("fitting.terms = 'intermolecular' needs two fragments; use 'all' for one")
        self.fitting.check(nmer)
        if self.levels:
            check_levels(self.levels, self.labelling, (self.selection.train, self.selection.test))
        for number in range(1, len(self.levels)):
            try:
                self.level_fitting(number).check(nmer)
            except InputError as error:
                raise InputError(f"levels.{number}: {error}") from None
        return self

    def level_fitting(self, number: int) -> Fitting:
        """Return the complete settings of a level's fit, from 0; that of the first is the fitting section."""
        return fitting_of(self.levels, number, self.fitting)

    def build_nmer(self) -> NMer:
        """Return the n-mer that the recipe describes."""
        return self.nmer.build(self.name)
