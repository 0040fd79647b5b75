"""What a recipe that is written contains besides its n-mer: sizes of its presets, comments, terms, switching."""

from __future__ import annotations

from dataclasses import dataclass, field

from potentials.nmers.switching import Key
from recipes.schema.sampling import Sampling


@dataclass(frozen=True)
class Size:
    """How large a run of a recipe is: one preset.

    Attributes
    ----------
    frames, train, test
        Frames of the pool, configurations of the training and of the test set.
    degree, max_terms
        Highest degree and number of terms of the PIP; None: all terms that the rules leave.
    gates
        Largest RMSD on the training and on the test set, kcal/mol.
    starts
        Starting points of the k; None: the default.
    cut
        Frames that are cut from conformations of molecules; they count in `frames`.
    gamma
        Ridge parameter of the fit; None: that of all presets.
    """

    frames: int
    train: int
    test: int
    degree: int
    max_terms: int | None
    gates: tuple[float, float]
    starts: int | None = None
    cut: int = 0
    gamma: float | None = None


@dataclass(frozen=True)
class LevelSize:
    """One level of the preset ``levels`` after the first, whose size and fit are those of the laptop preset.

    Attributes
    ----------
    protocol
        Name of its protocol.
    train, test
        Its training and test configurations.
    degree
        Highest degree of the fit of its difference.
    max_t1
        T1 above which a label is flagged; None: that of the protocol.
    gamma
        Ridge of the fit of its difference; None: that of the first level's.
    """

    protocol: str
    train: int
    test: int
    degree: int = 2
    max_t1: float | None = None
    gamma: float | None = None


@dataclass(frozen=True)
class Notes:
    """Comments of a recipe that give reasons; each is wrapped when it is written.

    Attributes
    ----------
    force_field, max_t1
        Comments on the force field and on the largest T1.
    switching
        Comment on the switching function.
    molecules
        Comment on the molecules from whose conformations frames are cut.
    smoke, laptop, levels, paper
        Comments on these presets; if that of the laptop preset is empty, a default says how long it takes.
    """

    force_field: str = ""
    max_t1: str = ""
    switching: str = "The papers name the cosine form but not the radii: full up to r_in, nothing from r_out on."
    molecules: str = (
        "Free n-mers rarely have the geometries of a fold: some frames are cut from conformations of chains. All "
        "labels are those of the n-mer."
    )
    smoke: str = "Minutes on two cores: shows every stage, and is not a potential for science."
    laptop: str = ""
    levels: str = (
        "The size of the laptop preset with labels of GFN2-xTB, and corrections up to the labels of the paper "
        "preset fitted to a few of its configurations. `nmer plan` says what each level costs."
    )
    paper: str = (
        "The published settings, but for the labels: the papers' are DLPNO-CCSD(T)/aug-cc-pVTZ, these the open "
        "composite near CCSD(T)/aug-cc-pVTZ, which is the protocol composite-aug-cc-pvtz."
    )


@dataclass(frozen=True)
class Settings:
    """The contents of a recipe besides its n-mer.

    Attributes
    ----------
    comment
        Comment at the head of the file.
    title
        One line for lists of recipes.
    smoke, laptop, paper
        The presets.
    rules
        Rules for the terms.
    switching
        The key of each fragment, whose distances switch the potential, and (r_in, r_out) in Angstrom.
    baseline
        Parameters of V_phys beneath the PIP; empty: none.
    force_field
        What the frames are sampled with.
    molecules
        Molecules from whose conformations some frames are cut.
    small
        Whether canonical CCSD(T)/cc-pVDZ labels take seconds: the smoke preset's labels.
    windows
        Windows of the distance between two fragments' centres of mass, Angstrom.
    smoke_basis
        Basis of the smoke preset's labels.
    memory
        Memory of one label's process, GiB; None: what the papers' n-mers need.
    max_t1
        T1 above which a label is flagged; None: the default.
    levels
        The levels above GFN2-xTB of the preset ``levels``; none: there is no such preset.
    first_gradients
        Whether the GFN2-xTB labels of that preset have gradients.
    levels_gamma
        Ridge parameter of that preset; None: that of all presets.
    notes
        Comments in the file.
    """

    comment: str
    title: str
    smoke: Size
    laptop: Size
    paper: Size
    rules: tuple[str, ...] = ()
    switching: tuple[tuple[Key, ...], tuple[float, float]] | None = None
    baseline: str = ""
    force_field: str = str(Sampling.model_fields["force_field"].default)
    molecules: tuple[str, ...] = ()
    small: bool = True
    windows: tuple[tuple[float, float], ...] = ((0, 4), (4, 7), (7, 10))
    smoke_basis: str = "cc-pVDZ"
    memory: int | None = None
    max_t1: float | None = None
    levels: tuple[LevelSize, ...] = ()
    first_gradients: bool = False
    levels_gamma: float | None = None
    notes: Notes = field(default_factory=Notes)
