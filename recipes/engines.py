"""What labelling engines declare about themselves: recipes, estimates, and citations are derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from recipes.registry import Need, Registry

FORMULA = "formula"
"""Source of a cost that was estimated, not measured."""


@dataclass(frozen=True)
class Method:
    """A level of theory that an engine computes.

    Attributes
    ----------
    name
        Its name in recipes.
    title
        One line that says what it is.
    components
        Names of the energies (hartree) whose sum is its energy, as in an engine's result.
    papers
        What is cited for it, each with the key of a paper in ``storage/papers.toml``.
    own_basis
        Whether it has its own basis and reads none from the recipe.
    fitted
        Whether it always uses density fitting.
    """

    name: str
    title: str
    components: tuple[str, ...]
    papers: tuple[tuple[str, str], ...] = ()
    own_basis: bool = False
    fitted: bool = False


class JobSize(NamedTuple):
    """The size of one energy calculation.

    Attributes
    ----------
    functions
        Number of basis functions, those of ghost atoms included.
    occupied, frozen
        Numbers of correlated and of frozen occupied orbitals.
    large_functions
        Number of functions in the larger basis of a composite; zero if there is none or it is not known.
    """

    functions: int
    occupied: int
    frozen: int
    large_functions: int = 0


@dataclass(frozen=True)
class LabelCost:
    """What one label costs.

    Attributes
    ----------
    cpu_seconds
        CPU time, s.
    memory
        Peak memory of its process, GiB.
    source
        Origin of the figures.
    """

    cpu_seconds: float
    memory: float
    source: str = FORMULA


@dataclass(frozen=True)
class Held:
    """The energy of another protocol that a result has among its components.

    Attributes
    ----------
    changes
        Fields of ``[labelling]`` in which the other protocol differs.
    components
        Components that add up to its energy, in that order: the name of each there, and its name in the result.
        Empty: the result's own energy, with all its components.
    functions
        Which of the result's counts is the number of basis functions of the other protocol.
    diagnostics
        Whether T1, D1, and the largest double amplitude of the result are those of the other protocol.
    """

    changes: Mapping[str, Any]
    components: Mapping[str, str]
    functions: str = "basis_functions"
    diagnostics: bool = False


class EngineDeclaration:
    """What an engine's class declares.

    Attributes
    ----------
    name, title
        Its name in recipes, and one line that says what it is.
    methods
        What it computes.
    options
        Fields of ``[labelling]`` that it reads, each with the names of the methods that read it. Their defaults
        and units are those of `recipes.schema.labelling.Labelling`.
    needs
        Packages and programs without which it does not run.
    papers
        Keys of the program's papers in ``storage/papers.toml``.
    diagnostics
        Which of ``t1``, ``d1``, and ``t2`` its coupled-cluster methods report.
    ghosts
        Whether it takes ghost atoms, as counterpoise needs.
    gradients
        Names of the methods of which it computes gradients, those on ghost atoms included.
    physics_level
        Level of the parameters of V_phys that its labels need; empty: that of densities.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    methods: ClassVar[tuple[Method, ...]]
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    needs: ClassVar[tuple[Need, ...]] = ()
    papers: ClassVar[tuple[str, ...]] = ()
    diagnostics: ClassVar[tuple[str, ...]] = ()
    ghosts: ClassVar[bool] = False
    gradients: ClassVar[tuple[str, ...]] = ()
    physics_level: ClassVar[str] = ""

    @staticmethod
    def check_options(labelling: Any) -> None:
        """Raise ValueError if options of a `Labelling`, each allowed, cannot be combined in this engine."""

    @staticmethod
    def cost(labelling: Any, jobs: Sequence[JobSize]) -> LabelCost | None:
        """Return what a label of these calculations costs, or None where it is not known."""
        return None

    @staticmethod
    def held(labelling: Any) -> tuple[Held, ...]:
        """Return the energies of other protocols of this engine that a result under a `Labelling` has.

        Each was compared with a calculation of its own; what is not declared is computed.
        """
        return ()


ENGINES: Registry[type[EngineDeclaration]] = Registry("labelling.engine", "tasks.labelling.engines", "ENGINE")
"""Every labelling engine in ``tasks/labelling/engines`` or in a folder of ``NMER_PLUGINS``."""


def find_method(engine: str, method: str) -> Method | None:
    """Return a method of an engine; None if the engine does not have it."""
    return next((one for one in ENGINES.get(engine).methods if one.name == method), None)


def all_methods() -> tuple[str, ...]:
    """Return the names of the methods of all engines, each once."""
    return tuple(dict.fromkeys(method.name for engine in ENGINES for method in engine.methods))


def readers(field: str) -> dict[str, tuple[str, ...]]:
    """Return the engines that read a field of ``[labelling]``, each with the methods that do."""
    return {engine.name: engine.options[field] for engine in ENGINES if field in engine.options}


def with_gradients() -> dict[str, tuple[str, ...]]:
    """Return the engines that compute gradients, each with the methods of which it does."""
    return {engine.name: engine.gradients for engine in ENGINES if engine.gradients}


def engine_table() -> list[dict[str, str]]:
    """Return what each engine declares, one dictionary of columns per row."""
    return [
        {
            "engine": engine.name,
            "methods": ", ".join(method.name for method in engine.methods),
            "what it is": engine.title,
            "reads": ", ".join(engine.options),
            "ghost atoms": "yes" if engine.ghosts else "no",
            "gradients": ", ".join(engine.gradients) or "none",
            "diagnostics": ", ".join(engine.diagnostics) or "none",
            "needs": "; ".join(f"{need.name}: {need.install}" for need in engine.needs) or "nothing more",
        }
        for engine in ENGINES
    ]
