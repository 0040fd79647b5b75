"""What labels have really cost, for estimates that are checked."""

from __future__ import annotations

from collections import Counter

from potentials.molecule import NMer


def system_of(nmer: NMer) -> str:
    """Return the formulas of an n-mer's fragments: what its labels cost goes by them, whatever its name."""
    formulas = []
    for fragment in nmer.fragments:
        counts = Counter(fragment.symbols)
        order = sorted(counts, key=lambda symbol: (symbol != "C", symbol != "H" or "C" not in counts, symbol))
        formula = "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in order)
        charge = f"({fragment.charge:+d})" if fragment.charge else ""
        pieces = f" in {len(fragment.parts)}" if len(fragment.parts) > 1 else ""
        formulas.append(f"{formula}{charge}{pieces}")
    return " + ".join(formulas)
