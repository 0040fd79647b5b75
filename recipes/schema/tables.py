"""Names and tables of a recipe that a registry knows: which samplers there are, and the options of each.

Nothing here looks into a registry before a recipe is read, so that what declares a sampler may import the recipe's
models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from potentials.errors import InputError
from recipes.registry import Need, Registry
from recipes.schema.patterns import shown
from recipes.schema.section import Section


class Options(Section):
    """Options of one sampler or descriptor, a table of a recipe; each of them has a default."""

    TABLE: ClassVar[str]
    """Key of the table in its section: ``normal_modes``."""

    ABSENT: ClassVar[Mapping[str, Any] | None] = None
    """What a recipe without the table stands for, as plain values that never change.

    None: the table is written out, and counts in keys, only where a recipe gives it or uses what it belongs to.
    """


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a recipe names and a registry finds: a sampler, a force field, a descriptor.

    Attributes
    ----------
    name
        Its name in recipes.
    title
        One line that says what it is or gives.
    needs
        Packages and programs without which it does not run.
    packages
        Python packages whose versions are recorded: they decide its numbers.
    papers
        What it rests on: keys of ``storage/papers.toml``.
    options
        Model of its own table, if it has one.
    """

    name: str
    title: str
    needs: tuple[Need, ...] = ()
    packages: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()
    options: type[Options] | None = None


OptionsType = TypeVar("OptionsType", bound=Options)


class Tabled(Section):
    """A section with tables of options that are declared elsewhere."""

    model_config = ConfigDict(extra="allow")

    CHOICE: ClassVar[str]
    """Key of the section whose words name declarations: ``sampler``."""

    REGISTRY: ClassVar[Registry[Any]]
    """Where these are found."""

    @classmethod
    def sections(cls) -> Mapping[str, type[Section]]:
        """Return the model of each table below this one, by its key."""
        return {**super().sections(), **{o.TABLE: o for o in cls._tables().values()}}

    def options(self, model: type[OptionsType]) -> OptionsType:
        """Return the options of one declaration; its defaults where the recipe has no such table.

        Parameters
        ----------
        model
            What it declares.
        """
        found = (self.model_extra or {}).get(model.TABLE)
        return found if isinstance(found, model) else model()

    @classmethod
    def completed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of an expanded text with what it leaves out; see `Section.completed`."""
        absent = {o.TABLE: dict(o.ABSENT) for o in cls._tables().values() if o.ABSENT is not None}
        return super().completed(absent | dict(values))

    @classmethod
    def _tables(cls) -> dict[str, type[Options]]:
        found = {d.name: d.options for d in cls.REGISTRY if d.options is not None}
        taken = [f"'{o.TABLE}' of '{name}'" for name, o in found.items() if o.TABLE in cls.model_fields]
        if taken:
            raise InputError(
                f"{cls.REGISTRY.what}: table {taken[0]} has the key of an option; give it another TABLE"
            )
        return found

    @model_validator(mode="before")
    @classmethod
    def _read_tables(cls, values: Any) -> Any:
        """Read every table with its own model; a key that is none is an error, as in every section."""
        if not isinstance(values, dict):
            return values
        found, tables, chosen = dict(values), cls._tables(), values.get(cls.CHOICE, ())
        problems = [
            InitErrorDetails(type="extra_forbidden", loc=(key,), input=value)
            for key, value in values.items()
            if key not in cls.sections() and key not in cls.model_fields
        ]
        for name, model in tables.items():
            used = name == chosen or (isinstance(chosen, (list, tuple)) and name in chosen)
            if model.TABLE not in values and model.ABSENT is None and not used:
                continue
            try:
                found[model.TABLE] = model.model_validate(values.get(model.TABLE, {}))
            except ValidationError as error:
                problems += [
                    InitErrorDetails(
                        type=p["type"], loc=(model.TABLE, *p["loc"]), input=p["input"], ctx=p.get("ctx", {})
                    )
                    for p in error.errors()
                ]
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return found

    @classmethod
    def _is_older(cls, name: str, value: Any) -> bool:
        absent = {o.TABLE: o.ABSENT for o in cls._tables().values() if o.ABSENT is not None}
        return bool(value == absent[name]) if name in absent else super()._is_older(name, value)


def one_of(registry: Registry[Any]) -> AfterValidator:
    """Return a check that a word is the name of something in a registry."""

    def check(word: str) -> str:
        if word not in registry:
            raise ValueError(f"{shown(word)} is unknown; allowed: {', '.join(registry.names())}")
        return word

    return AfterValidator(check)


def several_of(registry: Registry[Any]) -> Any:
    """Return the type of a name in a registry, or of a list of different names; stays what it is."""

    def check(given: Any) -> Any:
        names = given if isinstance(given, (list, tuple)) else (given,)
        unknown = [name for name in names if not isinstance(name, str) or name not in registry]
        if unknown or not names:
            what = shown(unknown[0]) if unknown else "an empty list"
            raise ValueError(f"{what} is unknown; allowed: {', '.join(registry.names())}, or a list of them")
        if len(set(names)) != len(names):
            raise ValueError(f"{list(names)} names one of them twice")
        return given

    return Annotated[str | tuple[str, ...], BeforeValidator(check)]
