"""The labelling section: the protocol, which is everything that determines the energy of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from recipes.engines import ENGINES, Method, all_methods, find_method, readers, with_gradients
from recipes.schema.patterns import BasisName, FunctionalName, OptionalBasisName, shown
from recipes.schema.section import Section
from recipes.schema.tables import one_of


def _method_name(name: str) -> str:
    if name not in (allowed := all_methods()):
        raise ValueError(f"{shown(name)} is unknown; allowed: {', '.join(map(repr, allowed))}")
    return name


def _choices(names: Callable[[], tuple[str, ...]]) -> Callable[[dict[str, Any]], None]:
    """Return a function that adds the allowed names to a field's JSON schema."""
    return lambda schema: schema.update(enum=list(names()))


class Labelling(Section):
    """The protocol, and which labels are used."""

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
        "gradients": False,
    }
    FLAGS: ClassVar[frozenset[str]] = frozenset(
        {"max_t1", "max_t2", "max_d1", "max_instability", "keep_flagged", "reference"}
    )
    """Fields that decide how a label is used, not its energies."""

    engine: Annotated[str, one_of(ENGINES)] = Field(
        "pyscf", description="program that computes the energies", json_schema_extra=_choices(ENGINES.names)
    )
    method: Annotated[str, AfterValidator(_method_name)] = Field(
        "CCSD(T)", description="level of theory", json_schema_extra=_choices(all_methods)
    )
    basis: BasisName = Field("aug-cc-pVTZ", description="orbital basis, unless the method has its own")
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
    gradients: bool = Field(False, description="gradients beside the energies, where the engine has them")
    single_precision: bool = Field(False, description="fitted coupled cluster in float32: a third of the time")
    scf_tolerance: float = Field(1e-10, gt=0, le=1e-4, description="SCF energy convergence (hartree)")
    cc_tolerance: float = Field(1e-8, gt=0, le=1e-4, description="CCSD energy convergence (hartree)")
    fno_threshold: float = Field(1e-5, gt=0, le=1e-2, description="virtual occupation threshold of FNO-CCSD(T)")
    lno_threshold: float = Field(1e-5, gt=0, le=1e-2, description="virtual occupation threshold of LNO-CCSD(T)")
    reference: Literal["optimized", "none"] = Field(
        "optimized", description="reference of a single molecule's energy: its own minimum, or none"
    )
    max_t1: float = Field(0.02, gt=0, le=1, description="T1 diagnostic above which a label is flagged")
    max_t2: float = Field(0.2, gt=0, le=10, description="largest |t2| above which a label is flagged")
    max_d1: float = Field(1.0, gt=0, le=10, description="D1 diagnostic above which a label is flagged")
    max_instability: float = Field(
        0.1, gt=0, le=10, description="instability of RHF towards UHF above which a label is flagged (hartree)"
    )
    keep_flagged: bool = Field(False, description="keep flagged labels in the dataset")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        engine = ENGINES.get(self.engine)
        if find_method(self.engine, self.method) is None:
            runs = ", ".join(method.name for method in engine.methods)
            raise ValueError(f"engine '{self.engine}' cannot run method '{self.method}'; it runs {runs}")
        if self._reads("functional") != bool(self.functional):
            methods = dict.fromkeys(repr(m) for names in readers("functional").values() for m in names)
            raise ValueError(f"functional and method {' or '.join(methods)} need each other")
        for field in ("mp2_basis", "single_precision"):
            if getattr(self, field) and not self._reads(field):
                known = (f"engine '{name}' with method {', '.join(ms)}" for name, ms in readers(field).items())
                raise ValueError(f"{field} needs {' or '.join(known)}")
        if self.scale_triples and not (self.mp2_basis and self.method.endswith("(T)")):
            raise ValueError("scale_triples needs mp2_basis and a method with (T)")
        if self.counterpoise and not engine.ghosts:
            raise ValueError(f"engine '{self.engine}' takes no ghost atoms; set counterpoise = false")
        if self.gradients and self.method not in engine.gradients:
            having = [f"'{name}' with method {', '.join(ms)}" for name, ms in with_gradients().items()]
            raise ValueError(
                f"engine '{self.engine}' has no gradients of method '{self.method}'; gradients are computed by "
                f"engine {' or '.join(having) or 'none that is known here'}"
            )
        engine.check_options(self)
        return self

    def _reads(self, field: str) -> bool:
        return self.method in ENGINES.get(self.engine).options.get(field, ())

    @property
    def means(self) -> Method:
        """What the engine declares about the method."""
        method = find_method(self.engine, self.method)
        assert method is not None, "the section was validated"
        return method

    @property
    def level(self) -> str:
        """The usual name of the protocol's level of theory."""
        if self.means.own_basis:
            return self.method
        method = self.functional or self.method
        if self.mp2_basis:
            method = method.replace("(T)", "(T*)") if self.scale_triples else method
            return f"MP2/{self.mp2_basis} + [{method} - MP2]/{self.basis}"
        fitted = "DF-" if self.density_fitting and method == self.method and not self.means.fitted else ""
        return f"{fitted}{method}/{self.basis}"
