"""The papers that a version is based on: for every method, basis set, engine, and functional form in its lineage.

``papers.toml`` has only papers that are certain; what has none there is listed without a paper.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from potentials.nmers.nmer import NMer
from recipes.engines import ENGINES
from recipes.registry import Registry
from recipes.schema.gates import GATES
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import DESCRIPTORS, NMerModel
from recipes.schema.sampling import FORCE_FIELDS, SAMPLERS
from recipes.stages import STAGE
from storage.attributes import OF_SYSTEMS, content_of
from storage.level_facts import labelling_table
from storage.version import NOT_STATED, Version

FUNCTIONALS = {"wb97m-v": "wb97m-v", "wb97m_v": "wb97m-v", "pbe": "pbe", "b3lyp": "b3lyp"}

SECOND_ROW = {"Al", "Si", "P", "S", "Cl", "Ar"}


KINDS = ("physics", *(stage.makes for stage in STAGE.values() if stage.makes != "validation"), *OF_SYSTEMS)
"""Kinds of versions with papers of their own; the function for each is below."""


Find = Callable[[str, str], Version | None]


@dataclass(frozen=True)
class Citation:
    """A paper and what it is cited for.

    Attributes
    ----------
    subject
        For example ``basis set aug-cc-pVDZ``.
    text
        Authors, journal, volume, page, year; empty where no paper is known here.
    doi
        Empty where there is none.
    """

    subject: str
    text: str = ""
    doi: str = ""

    def line(self) -> str:
        """Return it as one line of text."""
        doi = f", https://doi.org/{self.doi}" if self.doi else ""
        return f"{self.subject}: {self.text or 'no paper is known here; see its own pages'}{doi}"


def citations(version: Version, find: Find = lambda kind, key: None) -> list[Citation]:
    """Return the papers of a version and of all it was made from.

    Parameters
    ----------
    version
        A potential, a dataset, a selection, or a pool.
    find
        Returns the version of a kind and key, as `storage.store.Store.find` does; by default none: this version
        alone counts.
    """
    with content_of(version.path):
        found = (c for kind, attributes in _lineage(version, find) for c in _papers_of(kind, attributes))
        return list(dict.fromkeys(found))


def citation_text(
    kind: str,
    nmer: str,
    recipe: str,
    engines: Mapping[str, str],
    facts: Mapping[str, Any],
    inputs: Sequence[Version] = (),
) -> str:
    """Return what a new version keeps as its citation: its papers and those of all it is made from, one a line.

    Parameters
    ----------
    kind, nmer, recipe, engines, facts
        As `storage.version.write_version` takes them.
    inputs
        What it is made from.
    """
    own = {"nmer": nmer, "recipe": recipe, "engines": engines, "facts": facts}
    lines = [c.line() for c in _papers_of(kind, own)]
    for version in inputs:
        below = version.attributes()
        if "citation" in below:
            lines += below["citation"].splitlines()
        else:  # an older version has no stored citation
            lines += [c.line() for c in _papers_of(version.kind, below)]
    return "\n".join(line for line in dict.fromkeys(lines) if line != NOT_STATED) or NOT_STATED


def licence_of(recipe: str) -> str:
    """Return the licence that a recipe's text gives its data."""
    return str(tomllib.loads(recipe).get("licence", NOT_STATED))


def _papers_of(kind: str, attributes: Mapping[str, Any]) -> Iterator[Citation]:
    recipe = tomllib.loads(attributes["recipe"]) if attributes["recipe"] else {}
    for subject, key in _of(kind, recipe, attributes):
        paper = _papers().get(key, {})
        yield Citation(subject, paper.get("text", ""), paper.get("doi", ""))


def _lineage(version: Version, find: Find) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a version and all it was made from, each once, however many others were made from it."""
    waiting, seen = [version], {(version.kind, version.key)}
    while waiting:
        one = waiting.pop()
        attributes = one.attributes()
        yield one.kind, attributes
        below: list[Version] = []
        for made_from in attributes["inputs"]:
            name = (made_from["kind"], made_from["key"])
            if name in seen:
                continue
            seen.add(name)
            found = find(*name)
            if found is not None and found.kind in KINDS:
                below.append(found)
        waiting += reversed(below)


def _of(kind: str, recipe: dict[str, Any], attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is cited, and the key of the paper, '' where none is known."""
    if kind == "potential":
        yield from _potential(attributes["facts"], recipe.get("fitting", {}))
        for gate in (GATES.get(name) for name in recipe.get("gates", {}) if name in GATES):
            yield from ((f"gate {gate.name}", key) for key in gate.papers)
    elif kind == "dataset" and "imported" in attributes["facts"]:
        yield f"imported data ({', '.join(attributes['facts']['imported'])})", ""
    elif kind == "dataset" and "labelling" in recipe:
        nmer = NMerModel.model_validate(recipe["nmer"]).build(str(attributes["nmer"]))
        yield from _dataset(Labelling.model_validate(labelling_table(attributes["facts"], recipe)), nmer)
    elif kind == "physics":
        yield from _physics(attributes["facts"].get("derived", {}))
    elif kind == "selection":
        yield from _selection(recipe.get("selection", {}))
    elif kind == "pool":
        yield from _pool(recipe.get("sampling", {}), attributes["engines"], recipe)
    elif kind in OF_SYSTEMS:
        yield from _of_system(attributes["engines"], attributes["facts"].get("papers", []))


def _potential(facts: Mapping[str, Any], fitting: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "permutationally invariant polynomials", "pip"
    yield "MB-nrg potentials", "mb-nrg-methane"
    fragments = facts.get("nmer", {}).get("fragments", ())
    if any(f["caps"] for f in fragments):
        yield "MB-nrg potentials of capped n-mers", "polyalanine-gas"
        if any(f["name"] == "water" for f in fragments):
            yield "MB-nrg potentials of capped n-mers with water", "polyalanine-water"
    if facts.get("options", {}).get("lone_pairs"):
        yield "lone pairs of water", "mb-pol"
    if facts.get("physics"):
        yield from _physics({})
    papers = {"variable-projection": ("variable projection", "varpro"), "simplex": ("simplex", "simplex")}
    if fitting.get("optimizer") in papers:
        yield papers[fitting["optimizer"]]
    if fitting.get("max_terms"):
        yield "selection of terms by orthogonal least squares", "ols"


def _physics(derived: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "damped electrostatics with induced dipoles", "thole"
    yield "Thole's damping of exponent 4", "burnham"
    yield "damping of dispersion", "tang-toennies"
    yield "combination of C6 coefficients", "tkatchenko-scheffler"
    said = f"{derived.get('method', '')} {derived.get('sources', '')}".lower()
    for word, subject, key in (
        ("xdm", "polarizabilities and dispersion coefficients by XDM", "xdm"),
        ("becke-roussel", "exchange hole of XDM", "becke-roussel"),
        ("d4", "dispersion coefficients by D4", "d4"),
        ("ff14sb", "R^-12 repulsion of ff14SB", "ff14sb"),
    ):
        if re.search(rf"\b{word}", said):
            yield subject, key


def _dataset(protocol: Labelling, nmer: NMer) -> Iterator[tuple[str, str]]:
    if protocol.counterpoise and len(nmer.fragments) > 1:
        yield "counterpoise correction", "counterpoise"
        if len(nmer.fragments) > 2:
            yield "counterpoise correction of three molecules", "counterpoise-many"
    if protocol.functional:
        yield f"functional {protocol.functional}", FUNCTIONALS.get(protocol.functional.lower(), "")
    if protocol.mp2_basis:
        yield "MP2", "mp2"
    yield from protocol.means.papers
    if protocol.density_fitting:
        yield "auxiliary basis sets of fitted integrals", "ri"
    bases = () if protocol.means.own_basis else (protocol.basis, protocol.mp2_basis)
    for basis in dict.fromkeys(filter(None, bases)):
        yield from ((f"basis set {basis}", key) for key in _basis(basis, set(nmer.symbols)))
    for key in ENGINES.get(protocol.engine).papers or ("",):
        yield f"engine {protocol.engine}", key


def _basis(basis: str, elements: set[str]) -> Iterator[str]:
    name = basis.lower()
    if re.fullmatch(r"(aug-)?cc-pv[dtq56]z", name):
        yield "dunning"
        if name.startswith("aug-"):
            yield "kendall"
        if elements & SECOND_ROW:
            yield "woon"
    elif name in ("def2-svp", "def2-tzvp", "def2-tzvpp", "def2-qzvp", "def2-qzvpp"):
        yield "def2"
    else:
        yield name if name in ("sto-3g", "6-31g") else ""


def _selection(section: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if section.get("method", "mini-batch-k-means") in ("mini-batch-k-means", "uncertainty"):
        yield "mini-batch K-means", "mini-batch-k-means"
        yield "scikit-learn", "scikit-learn"
    yield from _declared(DESCRIPTORS, section.get("descriptor", "sorted-distances"))


def _pool(
    section: dict[str, Any], engines: Mapping[str, str], recipe: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    yield from _declared(SAMPLERS, section.get("sampler", "pbmetad"))
    if "lammps" in engines:
        yield "LAMMPS", "lammps"
    if section.get("engine") == "plumed":
        yield "PLUMED", "plumed"
    fields = _words(section.get("force_field", "ff14SB"))
    for name in fields:
        papers = FORCE_FIELDS.get(name).papers if name in FORCE_FIELDS else ()
        yield from ((f"force field {name}", key) for key in papers or ("",))
    if "openmm" in engines:
        yield "OpenMM", "openmm"
    names = [fragment["name"] for fragment in recipe.get("nmer", {}).get("fragments", ())]
    if "water" in names and all(name in FORCE_FIELDS and FORCE_FIELDS.get(name).typed for name in fields):
        yield "TIP4P/2005f", "tip4p-2005f"


def _of_system(engines: Mapping[str, str], papers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the papers of a simulation or of a check: those that it names, and those of its programs."""
    for name, key in (("LAMMPS", "lammps"), ("OpenMM", "openmm"), ("PLUMED", "plumed"), ("mdtraj", "mdtraj")):
        if key in engines:
            yield name, key
    for key in papers:
        yield _papers().get(key, {}).get("subject", key), key


def _declared(registry: Registry[Any], value: Any) -> Iterator[tuple[str, str]]:
    """Yield the papers of what a recipe names; '' of what is not there any more."""
    for name in _words(value):
        if name not in registry:
            yield f"{registry.what} '{name}'", ""
        else:
            yield from ((_papers().get(key, {}).get("subject", name), key) for key in registry.get(name).papers)


def _words(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@cache
def _papers() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("storage") / "papers.toml").read_text(encoding="utf-8"))
