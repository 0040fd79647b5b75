"""The user's options for an xyz file, and how it was read; both are stored with the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from potentials.errors import InputError
from potentials.units import energy_unit, gradient_unit
from recipes.xyz_words import number_of

COLUMNS = ("gradient", "forces", "ignore")
CELLS = ("nearest", "ignore")
ORDINALS = {"first": 1, "second": 2, "third": 3}


@dataclass(frozen=True)
class ReadOptions:
    """How to read an xyz file; None: it is inferred from the file, or refused if that is ambiguous.

    Attributes
    ----------
    energy
        Which energy: ``first``, ``second``, or a number, of the plain numbers in the comment; or a key of it.
    unit
        Of energies; a name of `potentials.units.ENERGY`.
    gradient_unit
        Of gradients or forces, for example ``hartree/bohr``.
    columns
        What columns behind the positions are: ``gradient``, ``forces``, or ``ignore``.
    zero
        The zero of energy: ``minimum`` of the training set, ``none``, or a number in `unit`.
    cell
        ``nearest``: molecules of a periodic cell are made whole by nearest images; ``ignore``: the cell is not
        used.

    Raises
    ------
    InputError
        If one of them is not allowed.
    """

    energy: str | None = None
    unit: str | None = None
    gradient_unit: str | None = None
    columns: str | None = None
    zero: str | None = None
    cell: str | None = None

    def __post_init__(self) -> None:
        for name, read in (("unit", energy_unit), ("gradient_unit", gradient_unit)):
            text = getattr(self, name)
            if text is not None:
                try:
                    read(text)
                except InputError as error:
                    raise InputError(f"--{name.replace('_', '-')} is {error}") from None
        for name, allowed in (("columns", COLUMNS), ("cell", CELLS)):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise InputError(f"--{name} is '{value}'; allowed: {', '.join(allowed)}")
        if self.energy is not None and not self.energy.strip():
            raise InputError("--energy is empty; allowed: first, second, a number, or a key of the comment")
        if self.zero not in (None, "minimum", "none"):
            try:
                number_of(str(self.zero))
            except ValueError:
                raise InputError(
                    f"--zero is '{self.zero}'; allowed: minimum, none, or an energy in the unit of --unit"
                ) from None

    @property
    def place(self) -> int | None:
        """Which of the comment's plain numbers, from 1; None if `energy` is a key or not given."""
        if self.energy is None:
            return None
        word = self.energy.strip()
        if word.lower() in ORDINALS:
            return ORDINALS[word.lower()]
        return int(word) if word.isascii() and word.lstrip("+-").isdigit() else None


@dataclass(frozen=True)
class Reading:
    """What was read from an xyz file.

    Attributes
    ----------
    file
        Its name.
    configurations
        How many.
    energy
        Which number of the comment.
    energy_unit, energy_unit_from
        Its unit in the file, and where that is known from.
    zero, zero_from
        What was subtracted, in that unit, and why; 0 and empty where nothing was.
    gradients
        Which columns became gradients and how their sign was known; empty where none.
    gradient_unit
        Their unit in the file.
    columns
        What columns without a name are: ``gradient``, ``forces``; empty where there are none.
    ignored
        Columns that were not read.
    cell
        What was done about a periodic cell; empty where the file has none.
    notes
        Warnings, a sentence each, about anything that may make all numbers wrong.
    """

    file: str
    configurations: int
    energy: str
    energy_unit: str
    energy_unit_from: str
    zero: float = 0.0
    zero_from: str = ""
    gradients: str = ""
    gradient_unit: str = ""
    columns: str = ""
    ignored: tuple[str, ...] = ()
    cell: str = ""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def lines(self) -> list[str]:
        """Return it as text; the notes last."""
        parts = [f"{self.configurations} configurations"]
        parts.append(f"energy: {self.energy}, {self.energy_unit} ({self.energy_unit_from})")
        if self.zero_from:
            parts.append(f"counted from {self.zero:.10g} {self.energy_unit}, {self.zero_from}")
        parts.append(f"gradients: {self.gradients}, {self.gradient_unit}" if self.gradients else "no gradients")
        if self.ignored:
            parts.append(f"not read: {', '.join(self.ignored)}")
        if self.cell:
            parts.append(self.cell)
        return [f"{self.file}: {'; '.join(parts)}", *(f"note: {note}" for note in self.notes)]
