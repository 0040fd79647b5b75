"""A sum over a molecule as C99: the kernels of its n-mers, where each occurs, and V_phys of the whole."""

from __future__ import annotations

import numpy as np

from storage.exchange.c_constants import array, coefficients, physics_constants, reference_values
from storage.exchange.exporter import Files, template
from storage.exchange.sum_subject import Member, SumSubject
from storage.exchange.text import plain

PHYSICS = """

/* The energy above is that of all n-mers and V_phys of the whole; where the induced dipoles have no stable
 * solution, it is NaN. This is the sum of the n-mers' corrections to V_phys alone. */
double {correction}(const double *xyz, double *gradient);"""

CAPS = "The n-mers have\n * caps of their own on cut bonds; the molecule has none."


def sum_files(subject: SumSubject, check: str) -> Files:
    """Return header, kernels, coefficients and places of the n-mers, V_phys, driver, and reference values."""
    names, physics = sum_names(subject), subject.physics
    files = {
        f"{names['FILE']}.h": template("potential.h", names),
        f"{names['FILE']}.c": template("sum.c", names),
        f"{names['FILE']}_places.h": _places(subject),
        "check.c": template("check.c", names),
        "references.h": reference_values(subject.references, switched=False),
        "README": _readme(subject, check),
    }
    for number, member in enumerate(subject.members, start=1):
        own = _names_of(subject, number, member)
        files[f"{own['FILE']}.h"] = template("potential.h", own)
        files[f"{own['FILE']}.c"] = template("potential.c", own)
        files[own["COEFFICIENTS"]] = coefficients(member.tables, own["TITLE"])
    if physics is not None:
        files[f"{names['FILE']}_physics.c"] = template("physics.c", names)
        files[f"{names['FILE']}_physics.h"] = physics_constants(physics, subject.title)
    return files


def sum_names(subject: SumSubject) -> dict[str, str]:
    """Return what the templates call the sum."""
    correction = f"{subject.identifier}_{'energy' if subject.physics is None else 'correction'}"
    return {
        "TITLE": subject.title,
        "NAME": f"{subject.identifier}_energy",
        "PIP": correction,
        "PHYSICS": "" if subject.physics is None else PHYSICS.format(correction=correction),
        "FILE": subject.identifier,
        "GUARD": subject.identifier.upper(),
        "NATOMS": str(len(subject.model.symbols)),
        "SYMBOLS": " ".join(subject.model.symbols),
        "CAPS": CAPS,
    }


def _names_of(subject: SumSubject, number: int, member: Member) -> dict[str, str]:
    """Return what the templates call an n-mer of the sum."""
    symbols = member.tables.symbols
    name = f"{subject.identifier}_{number}"
    return {
        "TITLE": member.subject.title,
        "NAME": f"{name}_correction",
        "PIP": f"{name}_correction",
        "PHYSICS": "",
        "FILE": name,
        "COEFFICIENTS": f"{name}_coefficients.h",
        "GUARD": name.upper(),
        "NATOMS": str(len(symbols)),
        "SYMBOLS": " ".join(symbols),
        "CAPS": "In the place of a\n * cap it takes any point on the bond's far side.",
    }


def _places(subject: SumSubject) -> str:
    """Return where the n-mers occur as constants of C."""
    members = subject.members
    names = [_names_of(subject, number, member) for number, member in enumerate(members, start=1)]
    sizes = [member.atoms.shape[1] for member in members]
    lengths = [member.atoms.size for member in members]
    lines = [f"/* {subject.title} */", *(f'#include "{own["FILE"]}.h"' for own in names), ""]
    lines += [f"#define N_KINDS {len(members)}", f"#define LARGEST {max(sizes)}", ""]
    lines.append("static double (*const kernels[N_KINDS])(const double *, double *) = {")
    lines += [f"    {own['NAME']}, /* {own['TITLE']} */" for own in names]
    lines += ["};", "", "/* atoms of each n-mer, how often it occurs, and where its atoms begin */"]
    lines.append(array("int", "sizes[N_KINDS]", np.array(sizes)))
    lines.append(array("int", "counts[N_KINDS]", np.array([len(member.atoms) for member in members])))
    lines.append(array("int", "begins[N_KINDS]", np.cumsum([0, *lengths])[:-1]))
    lines += ["", "/* the molecule's atoms of every occurrence; in the place of a cap, the atom outside */"]
    lines.append(array("int", f"places[{sum(lengths)}]", np.concatenate([m.atoms.ravel() for m in members])))
    return "\n".join(lines) + "\n"


def _readme(subject: SumSubject, check: str) -> str:
    remarks = "".join(f"{plain(remark)}\n" for remark in subject.model.remarks)
    return (
        f"{subject.title}\n{remarks}\nEnergies in kcal/mol, lengths in Angstrom; the molecule is in vacuum. To "
        f"check:\n\n    {check}\n"
    )
