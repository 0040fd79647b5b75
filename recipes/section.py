"""What every section of a recipe has in common."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Window = tuple[Annotated[float, Field(ge=0, le=50)], Annotated[float, Field(gt=0, le=50)]]
Temperature = Annotated[float, Field(ge=10, le=3000)]
Atom = Annotated[int, Field(ge=0)]
Pair = tuple[Atom, Atom]


class Section(BaseModel):
    """Base of all sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields that came after stores were first written."""

    def content(self) -> dict[str, Any]:
        """Return what decides the content of a stage, for its key.

        A field of `LATER` is left out while it has its default, so that a new option changes no key of an older
        store.
        """
        found: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in self.LATER and value == field.get_default(call_default_factory=True):
                continue
            found[name] = _plain(value)
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.content()
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value
