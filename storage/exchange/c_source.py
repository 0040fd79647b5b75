"""Format ``c``: a potential as C99 that needs nothing but a compiler and the mathematics library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recipes.registry import Need
from storage.exchange.exporter import Files, Format, template
from storage.exchange.references import BEYOND, References
from storage.exchange.subject import PotentialSubject
from storage.exchange.tables import Tables

CAPS = """Caps are atoms
 * like any other, but only the direction from its anchor to a cap counts: it is put at its fixed length first. The
 * gradient is exact, and has no part that moves a cap along its bond: in dynamics a spring or a constraint must
 * hold it there."""

CHECK = "gcc -O2 -std=c99 *.c -lm -o check && ./check"

GCC = Need("gcc", "apt-get install build-essential", program=True)

PAD = 4
"""The matrix' rows are filled with zeros to a multiple of it: loops of a known length are vector loops."""


def c_files(subject: PotentialSubject) -> Files:
    """Return header, kernel, coefficients, driver, and reference values."""
    names = c_names(subject)
    return {
        f"{names['FILE']}.h": template("potential.h", names),
        f"{names['FILE']}.c": template("potential.c", names),
        "coefficients.h": coefficients(Tables.of(subject.potential), subject.title),
        "check.c": template("check.c", names),
        "references.h": reference_values(subject.references, subject.potential.switching is not None),
        "README": f"{subject.title}\n\nEnergies in kcal/mol, lengths in Angstrom. To check:\n\n    {CHECK}\n",
    }


def c_names(subject: PotentialSubject) -> dict[str, str]:
    """Return what the templates call the potential."""
    symbols = subject.potential.nmer.symbols
    return {
        "TITLE": subject.title,
        "NAME": f"{subject.identifier}_energy",
        "FILE": subject.identifier,
        "COEFFICIENTS": "coefficients.h",
        "GUARD": subject.identifier.upper(),
        "NATOMS": str(len(symbols)),
        "SYMBOLS": " ".join(symbols),
        "CAPS": CAPS if subject.potential.nmer.caps else "It has no caps.",
    }


def coefficients(tables: Tables, title: str) -> str:
    """Return the tables as constants of C."""
    count, width = len(tables.pairs), PAD * -(-len(tables.pairs) // PAD)
    matrix = np.zeros((len(tables.parents), width))
    matrix[:, :count] = tables.slopes
    sites = len(tables.site_atoms)
    sizes = {
        "N_ATOMS": len(tables.symbols),
        "N_LONE_PAIRS": sites,
        "N_POINTS": len(tables.symbols) + 2 * sites,
        "N_VARIABLES": count,
        "WIDTH": width,
        "N_MONOMIALS": len(tables.parents),
        "DEGREE": len(tables.begins) - 1,
        "N_CAPS": len(tables.cap_atoms),
        "SWITCHED": int(tables.switch_atoms is not None),
    }
    keys = tables.switch_keys
    lines = [f"/* {title} */", *(f"#define {name} {value}" for name, value in sizes.items())]
    if tables.switch_radii is not None:
        lines += [
            f"#define N_KEYS {len(keys)}",
            f"#define N_KEY_ATOMS {sum(map(len, keys))}",
        ]
        lines += [
            f"#define {name} {radius!r} /* Angstrom */"
            for name, radius in zip(("R_IN", "R_OUT"), tables.switch_radii, strict=True)
        ]
        begins = np.cumsum([0, *map(len, keys)])
        lines += ["", "/* the atoms of each key, whose distances switch; where each key begins, and the end */"]
        lines.append(array("int", "key_atoms[N_KEY_ATOMS]", np.array([a for key in keys for a in key])))
        lines.append(array("int", "key_begins[N_KEYS + 1]", begins))
    if sites:
        lines += ["", "/* centre and two neighbours; along and across (1/Angstrom) */"]
        lines.append(array("int", "site_atoms[N_LONE_PAIRS][3]", tables.site_atoms))
        lines.append(array("double", "site_numbers[N_LONE_PAIRS][2]", tables.site_numbers))
    if len(tables.cap_atoms):
        lines += ["", "/* cap and anchor; length of the bond between them (Angstrom) */"]
        lines.append(array("int", "cap_atoms[N_CAPS][2]", tables.cap_atoms))
        lines.append(array("double", "cap_lengths[N_CAPS]", tables.cap_lengths))
    lines += ["", "/* the two points of each distance: atoms, then sites */"]
    lines.append(array("int", "pairs[N_VARIABLES][2]", tables.pairs))
    lines += ["", "/* x = exp(-k (R - d)), or of (R - d)^2 where Gaussian; divided by R where divided */"]
    lines.append(array("double", "variable_k[N_VARIABLES]", tables.k))
    lines.append(array("double", "variable_d[N_VARIABLES]", tables.d))
    lines.append(array("int", "variable_gaussian[N_VARIABLES]", tables.flags[:, 0]))
    lines.append(array("int", "variable_divided[N_VARIABLES]", tables.flags[:, 1]))
    lines += [
        "",
        "/* monomial m is monomial parents[m] times variable factors[m]; those of degree d follow begins[d] */",
    ]
    lines.append(array("int", "parents[N_MONOMIALS]", tables.parents))
    lines.append(array("int", "factors[N_MONOMIALS]", tables.factors))
    lines.append(array("int", "begins[DEGREE + 1]", tables.begins))
    lines += ["", "/* kcal/mol; the gradient of degree d + 1 is the monomials of degree d times their rows */"]
    lines.append(array("double", "matrix[N_MONOMIALS][WIDTH]", matrix))
    return "\n".join(lines) + "\n"


def reference_values(references: References, switched: bool) -> str:
    """Return the reference values as constants of C."""
    count, atoms = references.positions.shape[:2]
    inside = count - BEYOND if switched else count
    return "\n".join(
        [
            f"#define N_REFERENCES {count}",
            f"#define N_INSIDE {inside} /* the others are beyond the switching */",
            f"#define TOLERANCE {references.tolerance!r}",
            "/* Angstrom, kcal/mol, kcal/mol/Angstrom */",
            array("double", f"positions[N_REFERENCES][{3 * atoms}]", references.positions.reshape(count, -1)),
            array("double", "energies[N_REFERENCES]", references.energy),
            array("double", f"gradients[N_REFERENCES][{3 * atoms}]", references.gradient.reshape(count, -1)),
            "",
        ]
    )


def array(kind: str, declaration: str, values: NDArray[np.generic]) -> str:
    """Return the definition of a constant array of one or two dimensions, a row or eight numbers a line."""
    if values.ndim == 2:
        rows = ["{" + ", ".join(repr(v) for v in row) + "}" for row in values.tolist()]
    else:
        numbers = [repr(v) for v in values.tolist()]
        rows = [", ".join(numbers[start : start + 8]) for start in range(0, len(numbers), 8)]
    return f"static const {kind} {declaration} = {{\n    " + ",\n    ".join(rows) + "\n};"


FORMAT = Format(
    name="c",
    title="self-contained C99: coefficients, a kernel, a check",
    takes=PotentialSubject,
    files=c_files,
    check=CHECK,
    needs=(GCC,),
)
