"""How a potential's terms, variables and switching are written as facts of its version, and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import BasisOptions
from potentials.pip.potential import Potential
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Forms


def written_terms(potential: Potential) -> tuple[str, list[str]]:
    """Return the filter and the rules of a potential as they are stored.

    For three and more fragments ``intermolecular`` once meant at least one intermolecular distance, so that the
    condition that all fragments are joined is stored as a rule.
    """
    if potential.terms == "intermolecular" and len(potential.nmer.fragments) > 2:
        return "all", ["joined", *potential.options.rules]
    return potential.terms, list(potential.options.rules)


def read_terms(kept: str, rules: Sequence[str], nmer: NMer) -> tuple[str, tuple[str, ...]]:
    """Return the filter and the rules of stored values, see `written_terms`."""
    if len(nmer.fragments) > 2 and kept == "intermolecular":
        return "all", ("intermolecular", *rules)
    if len(nmer.fragments) > 2 and kept == "all" and rules and rules[0] == "joined":
        return "intermolecular", tuple(rules[1:])
    return kept, tuple(rules)


def written_variables(options: BasisOptions) -> dict[str, Any]:
    """Return the forms of a potential's variables and its lone pairs as they are stored."""
    pairs = [vars(pair) | {"atoms": list(pair.atoms)} for pair in options.lone_pairs]
    return {"forms": vars(options.forms), "lone_pairs": pairs}


def read_options(rules: tuple[str, ...], found: Mapping[str, Any]) -> BasisOptions:
    """Return the options of a basis with given rules and the stored values of `written_variables`."""
    pairs = tuple(LonePairs(tuple(p["atoms"]), p["along"], p["across"]) for p in found["lone_pairs"])
    return BasisOptions(rules, Forms(**found["forms"]), pairs)


def written_switching(switching: Switching | None) -> dict[str, Any] | None:
    """Return a switching as it is stored."""
    if switching is None:
        return None
    atoms = [list(key) if isinstance(key, tuple) else key for key in switching.atoms]
    return {"atoms": atoms, "r_in": switching.r_in, "r_out": switching.r_out}


def read_switching(found: dict[str, Any] | None) -> Switching | None:
    """Return the switching of stored values."""
    if found is None:
        return None
    atoms = tuple(tuple(key) if isinstance(key, list) else key for key in found["atoms"])
    return Switching(atoms, found["r_in"], found["r_out"])
