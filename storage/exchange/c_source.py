"""Format ``c``: a potential as C99 that needs nothing but a compiler and the mathematics library."""

from __future__ import annotations

from recipes.registry import Need
from storage.exchange.c_constants import coefficients, physics_constants, reference_values
from storage.exchange.c_sum import sum_files
from storage.exchange.exporter import Files, Format, template
from storage.exchange.physics_tables import PhysicsTables
from storage.exchange.subject import PotentialSubject
from storage.exchange.sum_subject import SumSubject
from storage.exchange.tables import Tables

CAPS = """Caps are atoms
 * like any other, but only the direction from its anchor to a cap counts: it is put at its fixed length first. The
 * gradient is exact, and has no part that moves a cap along its bond: in dynamics a spring or a constraint must
 * hold it there."""

PHYSICS = """

/* The energy above is that of the polynomial and of V_phys beneath it, which is not switched; where the induced
 * dipoles have no stable solution, it is NaN. This is the polynomial alone, which a sum adds to V_phys of the
 * whole. */
double {correction}(const double *xyz, double *gradient);"""

CHECK = "gcc -O2 -std=c99 *.c -lm -o check && ./check"

GCC = Need("gcc", "apt-get install build-essential", program=True)


def c_files(subject: PotentialSubject) -> Files:
    """Return header, kernel, coefficients, driver, and reference values; with V_phys, its kernel and numbers."""
    names, physics = c_names(subject), subject.potential.physics
    files = {
        f"{names['FILE']}.h": template("potential.h", names),
        f"{names['FILE']}.c": template("potential.c", names),
        "coefficients.h": coefficients(Tables.of(subject.potential), subject.title),
        "check.c": template("check.c", names),
        "references.h": reference_values(subject.references, subject.potential.switching is not None),
        "README": f"{subject.title}\n\nEnergies in kcal/mol, lengths in Angstrom. To check:\n\n    {CHECK}\n",
    }
    if physics is not None:
        files[f"{names['FILE']}_physics.c"] = template("physics.c", names)
        files[f"{names['FILE']}_physics.h"] = physics_constants(PhysicsTables.of(physics), subject.title)
    return files


def c_names(subject: PotentialSubject) -> dict[str, str]:
    """Return what the templates call the potential."""
    symbols, alone = subject.potential.nmer.symbols, subject.potential.physics is None
    correction = f"{subject.identifier}_{'energy' if alone else 'correction'}"
    return {
        "TITLE": subject.title,
        "NAME": f"{subject.identifier}_energy",
        "PIP": correction,
        "PHYSICS": "" if alone else PHYSICS.format(correction=correction),
        "FILE": subject.identifier,
        "COEFFICIENTS": "coefficients.h",
        "GUARD": subject.identifier.upper(),
        "NATOMS": str(len(symbols)),
        "SYMBOLS": " ".join(symbols),
        "CAPS": CAPS if subject.potential.nmer.caps else "It has no caps.",
    }


def files_of_sum(subject: SumSubject) -> Files:
    """Return the files of a sum over a molecule."""
    return sum_files(subject, CHECK)


FORMAT = Format(
    name="c",
    title="self-contained C99: coefficients, a kernel, a check",
    takes=PotentialSubject,
    files=c_files,
    check=CHECK,
    needs=(GCC,),
    carries_physics=True,
    of_sum=files_of_sum,
)
