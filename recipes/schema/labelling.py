"""The labelling section: the protocol, which is everything that decides the energy of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from recipes.schema.patterns import BasisName, FunctionalName, OptionalBasisName
from recipes.schema.section import Section

Method = Literal[
    "HF",
    "DFT",
    "MP2",
    "CCSD",
    "CCSD(T)",
    "FNO-CCSD(T)",
    "LNO-CCSD(T)",
    "DLPNO-CCSD(T)",
    "GFN2-xTB",
]

METHODS: dict[str, tuple[str, ...]] = {
    "pyscf": ("HF", "DFT", "MP2", "CCSD", "CCSD(T)", "FNO-CCSD(T)"),
    "pyscf-lno": ("LNO-CCSD(T)",),
    "psi4": ("HF", "MP2", "CCSD", "CCSD(T)", "FNO-CCSD(T)", "DLPNO-CCSD(T)"),
    "orca": ("DLPNO-CCSD(T)",),
    "xtb": ("GFN2-xTB",),
}
"""What each engine can run."""

SINGLE_PRECISION = ("CCSD", "CCSD(T)", "FNO-CCSD(T)")
"""Methods that engine 'pyscf' can run in float32."""

SINGLE_TOLERANCE = 1e-7
"""Energy convergence that float32 reaches, hartree."""

COMPOSITE = ("CCSD", "CCSD(T)", "FNO-CCSD(T)", "LNO-CCSD(T)")
"""Methods whose difference from MP2 can be added to MP2 in a larger basis."""


class Labelling(Section):
    """The protocol, and which of its labels are to be used."""

    LATER: ClassVar[Mapping[str, Any]] = {
        "mp2_basis": "",
        "scale_triples": False,
        "functional": "",
        "density_fitting": False,
        "single_precision": False,
        "fno_threshold": 1e-5,
        "max_d1": 1.0,
        "max_instability": 0.1,
        "keep_flagged": False,
        "reference": "optimized",
    }
    FLAGS: ClassVar[frozenset[str]] = frozenset(
        {"max_t1", "max_t2", "max_d1", "max_instability", "keep_flagged", "reference"}
    )
    """Fields that decide what is done with a label and not its energies."""

    engine: Literal["pyscf", "pyscf-lno", "psi4", "orca", "xtb"] = "pyscf"
    method: Method = "CCSD(T)"
    basis: BasisName = Field("aug-cc-pVTZ", description="orbital basis; GFN2-xTB has its own")
    mp2_basis: OptionalBasisName = Field(
        "", description="larger basis of a composite: MP2 in this + [method - MP2] in basis; empty: none"
    )
    scale_triples: bool = Field(
        False, description="multiply a composite's (T) by the whole n-mer's MP2/mp2_basis over MP2/basis"
    )
    functional: FunctionalName = Field("", description="functional of method DFT, by its name in the engine")
    counterpoise: bool = True
    frozen_core: bool = True
    density_fitting: bool = Field(False, description="fitted integrals; LNO and DLPNO have them always")
    single_precision: bool = Field(False, description="fitted coupled cluster in float32: a third of the time")
    scf_tolerance: float = Field(1e-10, gt=0, le=1e-4, description="SCF energy convergence (hartree)")
    cc_tolerance: float = Field(1e-8, gt=0, le=1e-4, description="CCSD energy convergence (hartree)")
    fno_threshold: float = Field(1e-5, gt=0, le=1e-2, description="virtual occupation threshold of FNO-CCSD(T)")
    lno_threshold: float = Field(1e-5, gt=0, le=1e-2, description="virtual occupation threshold of LNO-CCSD(T)")
    reference: Literal["optimized", "none"] = Field(
        "optimized", description="what a single molecule's energy counts from: its own minimum, or nothing"
    )
    max_t1: float = Field(0.02, gt=0, le=1, description="T1 diagnostic above which a label is flagged")
    max_t2: float = Field(0.2, gt=0, le=10, description="largest |t2| above which a label is flagged")
    max_d1: float = Field(1.0, gt=0, le=10, description="D1 diagnostic above which a label is flagged")
    max_instability: float = Field(
        0.1, gt=0, le=10, description="instability of RHF towards UHF above which a label is flagged (hartree)"
    )
    keep_flagged: bool = Field(False, description="take flagged labels into the dataset all the same")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.method not in METHODS[self.engine]:
            raise ValueError(
                f"engine '{self.engine}' cannot run method '{self.method}'; it runs "
                f"{', '.join(METHODS[self.engine])}"
            )
        if (self.method == "DFT") != bool(self.functional):
            raise ValueError("functional and method 'DFT' need each other")
        if self.mp2_basis and self.method not in COMPOSITE:
            raise ValueError(f"mp2_basis needs a method beyond MP2: {', '.join(COMPOSITE)}")
        if self.mp2_basis and self.engine not in ("pyscf", "pyscf-lno"):
            raise ValueError("mp2_basis needs engine 'pyscf' or 'pyscf-lno'")
        if self.scale_triples and not (self.mp2_basis and self.method.endswith("(T)")):
            raise ValueError("scale_triples needs mp2_basis and a method with (T)")
        if self.mp2_basis and not (self.density_fitting or self.method != "CCSD(T)"):
            raise ValueError("mp2_basis needs density_fitting = true")
        if self.single_precision and not (self.engine == "pyscf" and self.method in SINGLE_PRECISION):
            raise ValueError(f"single_precision needs engine 'pyscf' and one of {', '.join(SINGLE_PRECISION)}")
        if self.single_precision and not (self.density_fitting or self.mp2_basis or self.method.startswith("FNO")):
            raise ValueError("single_precision needs density_fitting = true")
        if self.single_precision and self.cc_tolerance < SINGLE_TOLERANCE:
            raise ValueError(f"single_precision needs cc_tolerance = {SINGLE_TOLERANCE:g} or more")
        if self.engine == "xtb" and self.counterpoise:
            raise ValueError("GFN2-xTB takes no ghost atoms; set counterpoise = false")
        return self

    @property
    def level(self) -> str:
        """What people call the protocol's level of theory."""
        if self.method == "GFN2-xTB":
            return self.method
        method = self.functional or self.method
        if self.mp2_basis:
            method = method.replace("(T)", "(T*)") if self.scale_triples else method
            return f"MP2/{self.mp2_basis} + [{method} - MP2]/{self.basis}"
        fitted = "DF-" if self.density_fitting and method == self.method and not method.startswith("FNO") else ""
        return f"{fitted}{method}/{self.basis}"
