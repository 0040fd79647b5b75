"""What labelling engines declare about themselves: recipes, estimates, and citations are derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from recipes.registry import Declared, Registry

if TYPE_CHECKING:
    from recipes.schema.section import Section

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


class DeclaredEngine(Declared, Protocol):
    """What an engine's class declares; `tasks.labelling.engines.interface.Engine` describes each."""

    @property
    def methods(self) -> tuple[Method, ...]:
        """Return the methods that it computes."""

    @property
    def options(self) -> Mapping[str, tuple[str, ...]]:
        """Return the fields of ``[labelling]`` that it reads, each with the names of the methods that read it."""

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Return which of t1, d1, and t2 its coupled-cluster methods report."""

    @property
    def ghosts(self) -> bool:
        """Return whether it supports ghost atoms, which the counterpoise correction requires."""

    def check_options(self, labelling: Section) -> None:
        """Raise ValueError if this engine does not support a combination of options."""

    def cost(self, labelling: Section, jobs: Sequence[JobSize]) -> LabelCost | None:
        """Return the cost of a label, or None if it is not known."""

    def __call__(self) -> Any:
        """Return an engine to compute with."""


ENGINES: Registry[DeclaredEngine] = Registry("labelling.engine", "tasks.labelling.engines", "ENGINE")
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


def engine_table() -> list[dict[str, str]]:
    """Return what each engine declares, one dictionary of columns per row."""
    return [
        {
            "engine": engine.name,
            "methods": ", ".join(method.name for method in engine.methods),
            "what it is": engine.title,
            "reads": ", ".join(engine.options),
            "ghost atoms": "yes" if engine.ghosts else "no",
            "diagnostics": ", ".join(engine.diagnostics) or "none",
            "needs": "; ".join(f"{need.name}: {need.install}" for need in engine.needs) or "nothing more",
        }
        for engine in ENGINES
    ]


def method_table() -> list[dict[str, str]]:
    """Return what each method is and which engines have it, one dictionary of columns per row."""
    titles = {method.name: method.title for engine in ENGINES for method in engine.methods}
    return [
        {
            "method": name,
            "what it is": title,
            "engines": ", ".join(engine.name for engine in ENGINES if find_method(engine.name, name)),
        }
        for name, title in titles.items()
    ]
