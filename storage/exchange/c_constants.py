"""The numbers of a potential and of its references as constants of C."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.arrays import Ints
from potentials.physics.thole import BARE
from storage.exchange.physics_tables import PhysicsTables
from storage.exchange.references import BEYOND, References
from storage.exchange.tables import Tables

PAD = 4
"""The matrix' rows are filled with zeros to a multiple of it: loops of a known length are vector loops."""


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


def physics_constants(tables: PhysicsTables, title: str) -> str:
    """Return the numbers of V_phys as constants of C."""
    groups = tables.groups
    counts = [len(group.atoms) for group in groups]
    pairs = [count * (count - 1) // 2 for count in counts]
    soft = [int((tables.polarizability[list(group.atoms)] > 0).sum()) for group in groups]
    rows = [
        np.stack([group.on, group.c6, group.b, group.r12], axis=-1)[np.triu_indices(len(group.atoms), 1)]
        for group in groups
    ]
    whole = {
        "N_GROUPS": len(groups),
        "MOST_ATOMS": max(counts, default=1),
        "MOST_PAIRS": max(pairs, default=1),
        "UNKNOWNS": 3 * max([1, *soft]),
    }
    real = {
        "REFERENCE": f"{tables.reference!r} /* kcal/mol */",
        "COULOMB": f"{tables.coulomb!r} /* kcal/mol Angstrom/e^2 */",
        "THOLE_CHARGE": repr(tables.thole_charge),
        "THOLE_DIPOLE": repr(tables.thole_dipole),
        "BARE": f"{BARE!r} /* above it nothing is damped: e^-36 is 2e-16 */",
    }
    lines = [f"/* {title}", f" * parameters of V_phys: {tables.digest} */"]
    lines += [f"#define {name} {value}" for name, value in (whole | real).items()]
    lines += ["", "/* of each atom of the n-mer, 0 of a cap: e, Angstrom^3, and its power -2/3 */"]
    for name in ("charge", "polarizability", "width"):
        values = getattr(tables, name)
        lines.append(array("double", f"{name}[{len(values)}]", values))
    lines += ["", "/* factor of each group, its atoms, and where its atoms and its pairs begin */"]
    lines.append(_some("int", "group_factors", [group.factor for group in groups]))
    lines.append(_some("int", "group_atoms", [a for group in groups for a in group.atoms]))
    lines.append(_some("int", "group_begins", np.cumsum([0, *counts])))
    lines.append(_some("int", "group_tables", np.cumsum([0, *pairs])))
    lines += [
        "",
        "/* of each pair, row by row: factor of its charges, C6 (kcal/mol Angstrom^6), damping b (1/Angstrom),",
        " * coefficient of R^-12 (kcal/mol Angstrom^12) */",
    ]
    table = np.concatenate([*rows, np.zeros((0 if groups else 1, 4))])
    lines.append(array("double", f"group_pairs[{len(table)}][4]", table))
    return "\n".join(lines) + "\n"


def _some(kind: str, name: str, values: ArrayLike) -> str:
    """Return a constant array of at least one number, which C requires."""
    numbers: Ints = np.asarray(values, dtype=np.int64)
    numbers = numbers if len(numbers) else np.zeros(1, dtype=np.int64)
    return array(kind, f"{name}[{len(numbers)}]", numbers)


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
