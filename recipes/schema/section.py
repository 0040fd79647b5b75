"""The base of all sections of a recipe."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Window = tuple[Annotated[float, Field(ge=0, le=50)], Annotated[float, Field(gt=0, le=50)]]
Temperature = Annotated[float, Field(ge=10, le=3000)]
Atom = Annotated[int, Field(ge=0)]
Pair = tuple[Atom, Atom]


class Section(BaseModel):
    """Base of all sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    LATER: ClassVar[Mapping[str, Any]] = {}
    """Fields added after stores were first written, each with the value of its absence.

    That value describes what the stage did before the field was added. It is written as plain values and never
    changes, whatever the default is today.
    """

    @classmethod
    def declared(cls) -> type[Section]:
        """Return the section with all its fields; overridden if they are declared elsewhere."""
        return cls

    def content(self) -> dict[str, Any]:
        """Return the values that determine the content of a stage, for its key.

        A field of `LATER` is left out if it has the value given there. A new option therefore changes no key of an
        older store, and a new default never matches the data of an older store.
        """
        found = {name: _plain(value) for name, value in self}
        return {name: value for name, value in found.items() if not self._is_older(name, value)}

    @classmethod
    def completed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of an expanded text, completed with the fields that it lacks.

        An expanded text lacks the fields that are None, and those added after the release that wrote it.

        Parameters
        ----------
        values
            A table as read from TOML.
        """
        found = dict(values)
        for name, field in cls.model_fields.items():
            if name not in found:
                if name in cls.LATER:
                    found[name] = cls.LATER[name]
                elif type(None) in typing.get_args(field.annotation):
                    found[name] = None
        for name, section in cls.sections().items():
            if name in found:
                found[name] = _completed(section, found[name])
        return found

    @classmethod
    def sections(cls) -> Mapping[str, type[Section]]:
        """Return the model of each section inside this one, by its key."""
        inner = {name: section_in(field.annotation) for name, field in cls.model_fields.items()}
        return {name: section for name, section in inner.items() if section is not None}

    @classmethod
    def _is_older(cls, name: str, value: Any) -> bool:
        return name in cls.LATER and bool(value == cls.LATER[name])


def section_in(annotation: Any) -> type[Section] | None:
    """Return the section inside an annotation such as ``tuple[FragmentModel, ...]`` or ``Bias | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation.declared()
    return next((found for one in typing.get_args(annotation) if (found := section_in(one))), None)


def _completed(section: type[Section], value: Any) -> Any:
    if isinstance(value, Mapping):
        return section.completed(value)
    return [_completed(section, one) for one in value] if isinstance(value, (list, tuple)) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.content()
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value
