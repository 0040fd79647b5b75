"""The methods that several engines share, and how an energy is read from its components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipes.engines import Method
from tasks.labelling.engines.interface import FAILED, OK, Result
from tasks.labelling.engines.self_consistent import MAX_CYCLES

_MP2, _CCSD, _TRIPLES = ("MP2", "mp2"), ("CCSD", "ccsd"), ("(T)", "triples")

HF = Method("HF", "Hartree-Fock", ("hf",))
MP2 = Method("MP2", "second-order perturbation theory", ("hf", "mp2"), (_MP2,))
CCSD = Method("CCSD", "coupled cluster with single and double excitations", ("hf", "ccsd"), (_CCSD,))
CCSD_T = Method(
    "CCSD(T)", "CCSD with perturbative triple excitations", ("hf", "ccsd", "triples"), (_CCSD, _TRIPLES)
)
FNO = Method(
    "FNO-CCSD(T)",
    "CCSD(T) in MP2 natural virtual orbitals, with the MP2 correction for the rest; fitted integrals",
    ("hf", "ccsd", "triples", "dmp2"),
    (_MP2, _CCSD, _TRIPLES, ("FNO-CCSD(T)", "fno")),
    fitted=True,
)
LNO = Method(
    "LNO-CCSD(T)",
    "CCSD(T) in local natural orbitals, with the MP2 correction; fitted integrals",
    ("hf", "ccsd", "triples", "dmp2"),
    (_MP2, _CCSD, _TRIPLES, ("LNO-CCSD(T)", "lno")),
    fitted=True,
)
DLPNO = Method(
    "DLPNO-CCSD(T)",
    "CCSD(T) in domain-based local pair natural orbitals, tight thresholds; fitted integrals",
    ("hf", "ccsd", "triples"),
    (_CCSD, _TRIPLES, ("DLPNO-CCSD(T)", "dlpno"), ("DLPNO-CCSD(T)", "dlpno-triples")),
    fitted=True,
)
DFT = Method("DFT", "a density functional, named by the option functional", ("total",))


def names(*methods: Method) -> tuple[str, ...]:
    """Return the names of some methods."""
    return tuple(method.name for method in methods)


def read_values(parts: tuple[str, ...], raw: Mapping[str, Any]) -> Result:
    """Return the result of a calculation whose energy is the sum of `parts`.

    Parameters
    ----------
    parts
        Names of the components (hartree) that add up to the energy; what follows the first is correlation.
    raw
        What `Engine.execute` found; ``gradient``, if it is there, is (atoms, 3), hartree/Angstrom.
    """
    counts = (
        *("electrons", "frozen_orbitals", "basis_functions", "large_basis_functions", "virtuals"),
        *("scf_converged", "cc_converged", "fragments", "scf_route", "instability", "scf_saddle"),
        "scf_unchecked",
    )
    details = {name: raw[name] for name in counts if name in raw}
    if not raw["scf_converged"]:
        tried = "its own iterations nor, where they oscillate, by a level shift and second-order steps"
        return Result(FAILED, f"the SCF did not converge by {tried}", details=details)
    if not raw.get("cc_converged", True):
        return Result(FAILED, f"CCSD did not converge in {MAX_CYCLES} iterations", details=details)
    names = ("total", "hf", "mp2", "ccsd", "dccsd", "triples", "triples_unscaled", "dmp2", "small_hf", "small_mp2")
    components = {name: float(raw[name]) for name in names if name in raw}
    correlation = sum(components[name] for name in parts[1:])
    found = Result(
        OK,
        energy=components[parts[0]] + correlation,
        components=components,
        t1=raw.get("t1"),
        d1=raw.get("d1"),
        t2=raw.get("t2"),
        triples_fraction=components["triples"] / correlation if "triples" in parts and correlation else None,
        details=details,
    )
    return found.with_gradient(raw["gradient"]) if "gradient" in raw else found
