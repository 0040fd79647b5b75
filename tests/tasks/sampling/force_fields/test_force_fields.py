"""ff14SB, OPLS-AA, and GFN2-xTB: every piece of a peptide chain against an independent evaluation."""

from __future__ import annotations

import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pytest
from openmm import app
from scipy.spatial.transform import Rotation
from tblite.interface import Calculator

from potentials.errors import InputError, StageError
from potentials.nmers.caps import CAP_LENGTHS
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.units import BOHR, HARTREE
from recipes.chemistry.residues import residue_atoms
from recipes.load import load_recipe
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.bias.kernel import BIAS, CAPACITY, HILLS, LENGTH, RING, STRIDE, apply_bias, record
from tasks.bias.specification import window_bias
from tasks.sampling.engine import (
    ExplosionError,
    force_function,
    install_bias,
    install_python_bias,
    run_recorded,
    simulation,
)
from tasks.sampling.force_field import ForceFunction, check_force_field, fragment_parameters
from tasks.sampling.force_fields.ff14sb import FF14SB, ff14sb_system
from tasks.sampling.force_fields.minimum import find_minimum
from tasks.sampling.force_fields.oplsaa import LIBRARY, TYPE, read_library
from tasks.sampling.force_fields.parameters import combine
from tasks.sampling.pool import sample_pool
from tasks.sampling.samplers.pbmetad.segments import segments
from tasks.xtb import ACCURACY
from tests.tasks.sampling.openmm_reference import OpenMM

CH3_WATER = load_recipe("ch3-water").build_nmer()
WATER = CH3_WATER.fragments[1]
PIECES: dict[str, tuple[str, str]] = {
    # name -> sequence, and the groups: A0 P1 A1(B1) P2 A2(B2) P3 A3 is Ace-Ala-Ala-Nme
    "CH3": ("AA", "A0"),
    "CH": ("AA", "A1"),
    "CONH": ("AA", "P1"),
    "CH2": ("GG", "A1"),
    "Ace CH3-CONH": ("AA", "A0 P1"),
    "CONH-CH": ("AA", "P1 A1"),
    "CH-CH3": ("AA", "A1 B1"),
    "CH-CONH": ("AA", "A1 P2"),
    "CONH-CH3 Nme": ("AA", "P3 A3"),
    "CONH-CH2": ("GG", "P1 A1"),
    "CH2-CONH": ("GG", "A1 P2"),
    "CH3-CONH-CH": ("AA", "A0 P1 A1"),
    "CONH-CH-CONH": ("AA", "P1 A1 P2"),
    "CONH-CH-CH3": ("AA", "P1 A1 B1"),
    "CH3-CH-CONH": ("AA", "A1 B1 P2"),
    "CH-CONH-CH": ("AA", "A1 P2 A2"),
    "CH-CONH-CH3": ("AA", "A2 P3 A3"),
    "CONH-CH2-CONH": ("GG", "P1 A1 P2"),
    "CH2-CONH-CH": ("GA", "A1 P2 A2"),
    "CH-CONH-CH2": ("AG", "A1 P2 A2"),
    "CONH-CH(CH3)-CONH": ("AA", "P1 A1 B1 P2"),
    "Ace-Nme": ("", "A0 P1 A1"),
    "Ace-Ala-Nme": ("A", "A0 P1 A1 B1 P2 A2"),
    "Ace-Gly-Nme": ("G", "A0 P1 A1 P2 A2"),
    "Ace-Ala-Gly-Nme": ("AG", "A0 P1 A1 B1 P2 A2 P3 A3"),
}


def place(a: np.ndarray, b: np.ndarray, c: np.ndarray, r: float, theta: float, phi: float) -> np.ndarray:
    """Return the point at the distance r from a, the angle theta to b, and the dihedral phi to c (degrees)."""
    theta, phi = np.deg2rad((theta, phi))
    along = (b - a) / np.linalg.norm(b - a)
    normal = np.cross(c - b, along)
    normal /= np.linalg.norm(normal)
    across = np.cross(along, normal)
    return np.asarray(
        a + r * (np.cos(theta) * along + np.sin(theta) * (np.cos(phi) * across + np.sin(phi) * normal))
    )


@cache
def chain(sequence: str) -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, str]]:
    """Return the positions, partners and groups of the atoms of Ace-...-Nme; a name begins with its element."""
    x = {"CA0": np.zeros(3), "C0": np.array([1.52, 0, 0]), "O0": np.array([2.13, 1.06, 0])}
    partner, group = {"C0": "CA0", "O0": "C0"}, {"CA0": "A0", "C0": "P1", "O0": "P1"}

    def add(name: str, where: str, a: str, b: str, c: str, r: float, theta: float, phi: float) -> None:
        x[name], partner[name], group[name] = place(x[a], x[b], x[c], r, theta, phi), a, where

    def methyl(carbon: str, where: str, b: str, c: str) -> None:
        for n, phi in enumerate((60, 180, 300)):
            add(f"H{carbon}{n}", where, carbon, b, c, 1.09, 109.5, phi)

    methyl("CA0", "A0", "C0", "O0")
    for k in range(1, len(sequence) + 2):
        carbon, oxygen, nitrogen, alpha = f"C{k - 1}", f"O{k - 1}", f"N{k}", f"CA{k}"
        add(nitrogen, f"P{k}", carbon, f"CA{k - 1}", oxygen, 1.33, 116.5, 180)
        add(f"H{k}", f"P{k}", nitrogen, carbon, oxygen, 1.01, 119, 180)
        add(alpha, f"A{k}", nitrogen, carbon, oxygen, 1.45, 122, 0)
        if k > len(sequence):
            methyl(alpha, f"A{k}", nitrogen, carbon)
            return x, partner, group
        add(f"HA{k}", f"A{k}", alpha, nitrogen, carbon, 1.09, 109, -75 + 120)
        if sequence[k - 1] == "A":
            add(f"CB{k}", f"B{k}", alpha, nitrogen, carbon, 1.53, 110, -75 - 120)
            methyl(f"CB{k}", f"B{k}", alpha, nitrogen)
        else:
            add(f"HB{k}", f"A{k}", alpha, nitrogen, carbon, 1.09, 109, -75 - 120)
        add(f"C{k}", f"P{k + 1}", alpha, nitrogen, carbon, 1.53, 111, -75)
        add(f"O{k}", f"P{k + 1}", f"C{k}", alpha, nitrogen, 1.23, 120, 145 + 180)
    raise AssertionError("unreachable")


def piece(name: str) -> Fragment:
    """Return some groups of a chain as a fragment: its atoms, then a cap for each cut bond."""
    sequence, groups = PIECES[name]
    x, partner, group = chain(sequence)
    inside = [atom for atom in x if group[atom] in groups.split()]
    symbols, positions = [atom[0] for atom in inside], [x[atom] for atom in inside]
    bonds, caps = [], []
    for pair in partner.items():
        ends = [inside.index(atom) if atom in inside else None for atom in pair]
        if ends[0] is not None and ends[1] is not None:
            bonds.append((ends[0], ends[1]))
        elif ends != [None, None]:
            (anchor,) = [n for n in ends if n is not None]
            (outside,) = [x[atom] for atom, n in zip(pair, ends, strict=True) if n is None]
            bond = outside - positions[anchor]
            length = CAP_LENGTHS[symbols[anchor]] / np.linalg.norm(bond)
            bonds.append((anchor, len(symbols)))
            caps.append(len(symbols))
            positions.append(positions[anchor] + length * bond)
            symbols.append("H")
    xyz = tuple((float(p[0]), float(p[1]), float(p[2])) for p in positions)
    return Fragment(name, tuple(symbols), xyz, tuple(bonds), tuple(caps))


def alone(fragment: Fragment) -> NMer:
    """Return a fragment as an n-mer; like neighbours in its order share a letter, as 29 atoms need."""
    kinds: list[tuple[object, ...]] = []
    counts: list[int] = []
    for atom, symbol in enumerate(fragment.symbols):
        bonded = sorted(fragment.symbols[j if i == atom else i] for i, j in fragment.bonds if atom in (i, j))
        kind = (symbol, atom in fragment.caps, bonded)
        if kinds and kinds[-1] == kind:
            counts[-1] += 1
        else:
            kinds.append(kind)
            counts.append(1)
    symmetry = "".join(f"{chr(65 + n)}{count}" for n, count in enumerate(counts))
    return NMer("fragment", (fragment,), symmetry)


def distorted(nmer: NMer, count: int = 3) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield nmer.positions + rng.normal(scale=0.1, size=(nmer.natoms, 3))


def assert_equal(nmer: NMer, force_field: str, reference: ForceFunction) -> None:
    with force_function(nmer, force_field) as evaluate:
        for x in distorted(nmer):
            energy, forces = evaluate(x)
            expected, pull = reference(x)
            assert energy == pytest.approx(expected, abs=1e-6)
            assert np.abs(forces - pull).max() < 1e-6


@pytest.mark.parametrize("name", PIECES)
def test_ff14sb_of_a_piece_is_openmms(name: str) -> None:
    """Every bond and angle has parameters; OpenMM omits those without an error."""
    part = piece(name)
    assert_equal(alone(part), "ff14SB", OpenMM(ff14sb_system(part)))
    terms = fragment_parameters(part, "ff14SB")
    degrees = np.bincount(np.ravel(part.bonds), minlength=part.natoms)
    assert len(terms.bonds) == len(part.bonds) and len(terms.angles) == (degrees * (degrees - 1) // 2).sum()
    assert sum(terms.charges) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "residues"), [("Ace-Ala-Nme", "ACE ALA NME"), ("Ace-Ala-Gly-Nme", "ACE ALA GLY NME")]
)
def test_ff14sb_of_a_whole_chain_is_that_of_openmms_residues(name: str, residues: str) -> None:
    """OpenMM finds types and charges by its own residues; the fragment's by the graph are the same."""
    part = piece(name)
    topology = app.Topology()
    line = topology.addChain()
    places = [topology.addResidue(residue, line) for residue in residues.split()]
    atoms = []
    for atom in chain(PIECES[name][0])[0]:
        number = int(re.sub(r"^[A-Z]+", "", atom)[:1])  # C2 and O2 are residue 2's, N2 and H2 too
        atoms.append(topology.addAtom(atom, app.Element.getBySymbol(atom[0]), places[number]))
    for i, j in part.bonds:
        topology.addBond(atoms[i], atoms[j])
    system = app.ForceField(FF14SB).createSystem(topology, removeCMMotion=False, rigidWater=False)
    assert_equal(alone(part), "ff14SB", OpenMM(system))


def formulas(fragment: Fragment, force_field: str) -> openmm.System:
    """Return OPLS-AA's formulas as OpenMM forces; the factors on pairs come from the bond graph."""
    terms = fragment_parameters(fragment, force_field)
    system = openmm.System()
    for _ in range(fragment.natoms):
        system.addParticle(1.0)
    bonds = openmm.CustomBondForce("k * (10 * r - length)^2")
    angles = openmm.CustomAngleForce("k * (theta - theta0)^2")
    torsions = openmm.CustomTorsionForce(
        "(k1 * (1 + cos(theta)) + k2 * (1 - cos(2 * theta)) + k3 * (1 + cos(3 * theta))"
        " + k4 * (1 - cos(4 * theta))) / 2"
    )
    impropers = openmm.CustomTorsionForce("k * (1 + sign * cos(n * theta))")
    pairs = openmm.CustomBondForce(
        "scale * (4 * eps * ((sigma / (10 * r))^12 - (sigma / (10 * r))^6) + 332.0637133 * qq / (10 * r))"
    )
    for force, names in (
        (bonds, "k length"),
        (angles, "k theta0"),
        (torsions, "k1 k2 k3 k4"),
        (impropers, "k sign n"),
        (pairs, "scale eps sigma qq"),
    ):
        for name in names.split():
            getattr(force, f"addPer{type(force).__name__.removeprefix('Custom').removesuffix('Force')}Parameter")(
                name
            )
        system.addForce(force)
    kcal = 4.184
    for i, j, style, (k, length) in terms.bonds:
        assert style == "harmonic"
        bonds.addBond(i, j, [k * kcal, length])
    for i, j, m, k, theta in terms.angles:
        angles.addAngle(i, j, m, [k * kcal, np.deg2rad(theta)])
    for *atoms, coefficients in terms.torsions:
        torsions.addTorsion(*atoms, [c * kcal for c in coefficients])
    for *atoms, k, sign, n in terms.impropers:
        impropers.addTorsion(*atoms[:4], [k * kcal, sign, n])
    adjacent = np.zeros((fragment.natoms,) * 2, dtype=int)
    for i, j in fragment.bonds:
        adjacent[i, j] = adjacent[j, i] = 1
    nearer = np.eye(fragment.natoms, dtype=int) + adjacent + adjacent @ adjacent
    within_three = nearer + nearer @ adjacent
    for i, j in combinations(range(fragment.natoms), 2):
        if not nearer[i, j]:
            eps = np.sqrt(terms.epsilon[i] * terms.epsilon[j])
            sigma = np.sqrt(terms.sigma[i] * terms.sigma[j])
            scale = (0.5 if within_three[i, j] else 1.0) * kcal
            pairs.addBond(i, j, [scale, eps, sigma, terms.charges[i] * terms.charges[j]])
    return system


@pytest.mark.parametrize("name", PIECES)
def test_opls_aa_of_a_piece_is_that_of_its_formulas(name: str) -> None:
    part = piece(name)
    assert_equal(alone(part), "OPLS-AA", OpenMM(formulas(part, "OPLS-AA")))
    terms = fragment_parameters(part, "OPLS-AA")
    degrees = np.bincount(np.ravel(part.bonds), minlength=part.natoms)
    assert len(terms.angles) == (degrees * (degrees - 1) // 2).sum()
    across = sum((degrees[i] - 1) * (degrees[j] - 1) for i, j in part.bonds)
    assert len(terms.torsions) == across
    assert sum(terms.charges) == pytest.approx(0.0, abs=1e-12)


def test_opls_aa_of_methylacetamide_is_the_published_one() -> None:
    """Jorgensen, Maxwell, Tirado-Rives 1996: charges; the amide is planar, with a high barrier."""
    nmer = alone(piece("Ace-Nme"))
    terms = fragment_parameters(nmer.fragments[0], "OPLS-AA")
    named = dict(zip(chain("")[0], terms.charges, strict=True))
    expected = {
        "CA0": -0.18,
        "C0": 0.5,
        "O0": -0.5,
        "N1": -0.5,
        "H1": 0.3,
        "CA1": 0.02,
        "HCA00": 0.06,
        "HCA11": 0.06,
    }
    assert {name: named[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    with force_function(nmer, "OPLS-AA") as evaluate:
        x = find_minimum(nmer, evaluate).positions
        at = list(chain("")[0])
        c, o, n, h, methyl = (x[at.index(name)] for name in ("C0", "O0", "N1", "H1", "CA1"))
        assert np.linalg.norm(c - o) == pytest.approx(1.229, abs=0.01)
        assert np.linalg.norm(c - n) == pytest.approx(1.335, abs=0.02)
        assert abs(np.dot(np.cross(o - c, n - c), h - n)) < 0.02
        turned = x.copy()  # by 90 degrees about C-N, with the nitrogen's methyl and hydrogen
        axis = (n - c) / np.linalg.norm(n - c)
        beyond = [at.index(name) for name in at if name in ("H1", "CA1") or name.startswith("HCA1")]
        turned[beyond] = c + Rotation.from_rotvec(axis * np.pi / 2).apply(x[beyond] - c)
        barrier = evaluate(turned)[0] - evaluate(x)[0]
    assert 15 < barrier < 30
    assert np.linalg.norm(methyl - n) == pytest.approx(1.449, abs=0.02)


@pytest.mark.parametrize("force_field", ["ff14SB", "OPLS-AA"])
@pytest.mark.parametrize("name", ["CH3", "CONH", "CH-CONH", "CONH-CH-CONH"])
def test_the_energy_with_water_is_the_sum_over_pairs(name: str, force_field: str) -> None:
    """Two-body energy: Lennard-Jones by the force field's mixing, charges at H, H, and TIP4P/2005f's M."""
    part = piece(name)
    there = np.array(part.positions).mean(axis=0) + np.array([0.3, -0.4, 4.0])
    xyz = np.array(WATER.positions) - WATER.positions[0] + there
    water = replace(WATER, positions=tuple(map(tuple, xyz)))
    one, two = alone(part), NMer("water", (water,), "A1B2")
    both = NMer("both", (part, water), f"{one.symmetry}_A1B2")
    reach = 0.147144 / (0.9419 * np.cos(np.deg2rad(107.4) / 2))  # twice the model's 0.13194
    a, b = fragment_parameters(part, force_field), fragment_parameters(water, force_field)
    with (
        force_function(one, force_field) as e1,
        force_function(two, force_field) as e2,
        force_function(both, force_field) as e12,
    ):
        for x in distorted(both):
            oxygen, hydrogens = x[-3], x[-2:]
            bisector = hydrogens.mean(axis=0) - oxygen
            sites = [(oxygen + reach * bisector, -2 * 0.5564), *((h, 0.5564) for h in hydrogens)]
            expected = 0.0
            for place, q, sigma, epsilon in zip(x, a.charges, a.sigma, a.epsilon, strict=False):
                expected += sum(332.06371 * q * Q / np.linalg.norm(place - site) for site, Q in sites)
                mean = (sigma + b.sigma[0]) / 2 if force_field == "ff14SB" else np.sqrt(sigma * b.sigma[0])
                ratio = (mean / np.linalg.norm(place - oxygen)) ** 6
                expected += 4 * np.sqrt(epsilon * b.epsilon[0]) * (ratio**2 - ratio)
            parts = e12(x)[0] - e1(x[:-3])[0] - e2(x[-3:])[0]
            assert parts == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_opls_aa_agrees_with_moltemplates_own_program(tmp_path: Path) -> None:
    """All pieces as one system through moltemplate.sh: the same coefficients on the same atoms."""
    lines = [f'import "{LIBRARY}"']
    parts = [piece(name) for name in PIECES]
    for number, part in enumerate(parts):
        names = residue_atoms(part, "OPLS-AA")
        kinds = [TYPE[names[a]] for a in range(part.natoms)]
        lines += [f"P{number} inherits OPLSAA {{", '  write("Data Atoms") {']
        lines += [f"    $atom:a{a} $mol @atom:{kind} 0.0 0 0 {a}" for a, kind in enumerate(kinds)]
        lines += ["  }", '  write("Data Bond List") {']
        lines += [f"    $bond:b{n} $atom:a{i} $atom:a{j}" for n, (i, j) in enumerate(part.bonds)]
        lines += ["  }", "}", f"p{number} = new P{number}"]
    (tmp_path / "system.lt").write_text("\n".join(lines))
    subprocess.run(["moltemplate.sh", "system.lt"], cwd=tmp_path, check=True, capture_output=True)
    tables = combine([fragment_parameters(part, "OPLS-AA") for part in parts])
    coefficients = {}
    for line in (tmp_path / "system.in.settings").read_text().splitlines():
        match line.split("#")[0].split():
            case [command, number, *values]:
                coefficients[command.removesuffix("_coeff"), number] = tuple(float(v) for v in values)
    ours = {
        "Bonds": {(min(b[:2]), max(b[:2])): b[3] for b in tables.bonds},
        "Angles": {a[:3]: a[3:] for a in tables.angles},
        "Dihedrals": {t[:4]: t[4] for t in tables.torsions},
        "Impropers": {t[:4]: t[4:] for t in tables.impropers},
    }
    text = (tmp_path / "system.data").read_text()
    for title, expected in ours.items():
        rows = re.split(r"\n\n", text.split(f"\n{title}")[1].split("\n\n", 1)[1])[0].split("\n")
        kind = title[:-1].lower()
        theirs = {
            tuple(int(a) - 1 for a in row.split()[2:]): coefficients[kind, row.split()[1]] for row in rows if row
        }
        if title == "Bonds":
            theirs = {tuple(sorted(atoms)): values for atoms, values in theirs.items()}
        assert theirs == expected and len(theirs) > 10
    atoms = [row.split() for row in text.split("\nAtoms")[1].split("\n\n")[1].split("\n")]
    charges = {}
    for line in (tmp_path / "system.in.charges").read_text().splitlines():
        match line.split("#")[0].split():
            case ["set", "type", number, "charge", value]:
                charges[number] = float(value)
    start = 0
    for part in parts:
        for atom in set(range(part.natoms)) - set(part.caps):
            number = atoms[start + atom][2]
            assert tables.charges[start + atom] == pytest.approx(charges[number], abs=1e-12)
        for atom in range(start, start + part.natoms):
            epsilon, sigma = coefficients["pair", atoms[atom][2]][1:]
            assert (tables.epsilon[atom], tables.sigma[atom]) == (epsilon, sigma)
        start += part.natoms


def fragment(
    name: str, symbols: str, bonds: Sequence[tuple[int, int]], caps: tuple[int, ...] = (), charge: int = 0
) -> Fragment:
    xyz = tuple((1.1 * n, 0.3 * n * n, 0.0) for n in range(len(symbols)))
    return Fragment(name, tuple(symbols), xyz, tuple(bonds), caps, charge)


METHANE_BONDS = ((0, 1), (0, 2), (0, 3), (0, 4))
STRANGERS = [
    (fragment("ammonia", "NHHH", METHANE_BONDS[:3]), "N", 0),
    (fragment("methane", "CHHHH", METHANE_BONDS), "C", 0),
    (fragment("formamide", "COHNHH", ((0, 1), (0, 2), (0, 3), (3, 4), (3, 5))), "C", 0),
    (fragment("amine", "NHHH", METHANE_BONDS[:3], (1,)), "N", 0),
    (fragment("HOH", "HOH", ((0, 1), (1, 2))), "H", 0),
    (fragment("two carbonyls", "COOH", ((0, 1), (0, 2), (0, 3)), (3,)), "C", 0),
    (fragment("ethane", "CHHHCHHH", (*METHANE_BONDS, (4, 5), (4, 6), (4, 7))), "C", 0),
]


@pytest.mark.parametrize("force_field", ["ff14SB", "OPLS-AA"])
@pytest.mark.parametrize(("stranger", "symbol", "atom"), STRANGERS, ids=[f.name for f, _, _ in STRANGERS])
def test_other_species_are_refused_with_advice(
    stranger: Fragment, symbol: str, atom: int, force_field: str
) -> None:
    message = (
        rf"fragment '{stranger.name}' has no {force_field} types here; allowed: CH3-, .*water \(O, H, H\); "
        rf'its {symbol} \(atom {atom}\) is in none of them; force_field = "GFN2-xTB" accepts any species'
    )
    with pytest.raises(InputError, match=message):
        check_force_field(alone(stranger), force_field)
    check_force_field(alone(stranger), "GFN2-xTB")


@pytest.mark.parametrize("force_field", ["ff14SB", "OPLS-AA"])
@pytest.mark.parametrize("name", ["CH3", "CONH-CH-CONH", "Ace-Ala-Nme"])
def test_a_charged_piece_is_refused(name: str, force_field: str) -> None:
    with pytest.raises(
        InputError, match=rf"'{re.escape(name)}' has the charge \+1, but its atoms' charges .* add up"
    ):
        fragment_parameters(replace(piece(name), charge=1), force_field)


@pytest.mark.parametrize("force_field", ["ff14SB", "OPLS-AA"])
@pytest.mark.parametrize("name", PIECES)
def test_charges_and_types_follow_the_atoms_in_any_order(name: str, force_field: str) -> None:
    """Also among hydrogens and caps on one carbon."""
    part = piece(name)
    order = np.random.default_rng(1).permutation(part.natoms)
    at = np.argsort(order)
    shuffled = replace(
        part,
        symbols=tuple(part.symbols[a] for a in order),
        positions=tuple(part.positions[a] for a in order),
        bonds=tuple((int(at[j]), int(at[i])) for i, j in reversed(part.bonds)),
        caps=tuple(int(at[c]) for c in part.caps),
    )
    one, two = fragment_parameters(part, force_field), fragment_parameters(shuffled, force_field)
    for before, after in ((one.charges, two.charges), (one.sigma, two.sigma), (one.epsilon, two.epsilon)):
        np.testing.assert_allclose(after, np.array(before)[order], rtol=0, atol=1e-12)
    assert len({round(one.charges[c], 12) for c in part.caps}) <= 1
    for terms, back in ((one.bonds, range(part.natoms)), (two.bonds, order)):
        kinds = sorted((*sorted((int(back[i]), int(back[j]))), c) for i, j, _, c in terms)
        assert kinds == sorted((*sorted((i, j)), c) for i, j, _, c in one.bonds)


def test_the_charge_removed_by_a_cut_is_on_the_caps() -> None:
    """The kept atoms have their residue's charges, here Ala's CA and HA; the three caps share the rest."""
    ff14sb, opls = (fragment_parameters(piece("CH"), name).charges for name in ("ff14SB", "OPLS-AA"))
    assert ff14sb == pytest.approx([0.0337, 0.0823, *[-0.116 / 3] * 3], abs=1e-12)
    assert opls == pytest.approx([0.14, 0.06, *[-0.2 / 3] * 3], abs=1e-12)


@pytest.mark.parametrize(
    ("package", "force_field", "extra"), [("moltemplate", "OPLS-AA", "opls"), ("tblite", "GFN2-xTB", "xtb")]
)
def test_a_missing_package_is_named(
    package: str, force_field: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    read_library.cache_clear()
    fragment_parameters.cache_clear()
    with pytest.raises(InputError, match=rf"{force_field}.* needs .*{package}.*: pip install 'nmer\[{extra}\]'"):
        check_force_field(alone(piece("CH3")), force_field)


METHANE = Fragment("methane", ("C", "H", "H", "H", "H"), CH3_WATER.fragments[0].positions, METHANE_BONDS)
DIMER = NMer("methane-water", (METHANE, WATER), "A1B4_C1D2")
SMALL = Sampling(
    force_field="GFN2-xTB", temperatures=(300,), windows=((0, 4),), frames=30, equilibration=0.02, stride=5
)


def test_xtb_is_a_direct_single_point_with_exact_forces() -> None:
    """Independent of earlier evaluations, also for a charged species."""
    hydronium = NMer(
        "hydronium",
        (
            replace(
                WATER,
                name="H3O+",
                charge=1,
                symbols=("O", "H", "H", "H"),
                positions=((0, 0, 0), (0.96, 0, 0.2), (-0.48, 0.83, 0.2), (-0.48, -0.83, 0.2)),
                bonds=METHANE_BONDS[:3],
            ),
        ),
        "A1B3",
    )
    for nmer in (DIMER, hydronium):
        with force_function(nmer, "GFN2-xTB") as evaluate:
            for x in distorted(nmer):
                energy, forces = evaluate(x)
                direct = Calculator("GFN2-xTB", nmer.numbers, x / BOHR, charge=float(nmer.charge))
                direct.set("verbosity", 0)
                direct.set("accuracy", ACCURACY)
                assert energy == pytest.approx(HARTREE * direct.singlepoint().get("energy"), abs=1e-9)
            for index in ((0, 0), (1, 2), (3, 1)):
                moved = np.array([x, x])
                moved[(slice(None), *index)] += (2e-4, -2e-4)
                slope = (evaluate(moved[0])[0] - evaluate(moved[1])[0]) / 4e-4
                assert forces[index] == pytest.approx(-slope, abs=2e-4)


def test_a_failed_scf_is_an_explosion_and_the_next_geometry_is_none() -> None:
    with force_function(DIMER, "GFN2-xTB") as evaluate:
        before, _ = evaluate(DIMER.positions)
        together = DIMER.positions.copy()
        together[5] = together[0]
        with pytest.raises(ExplosionError, match="GFN2-xTB: Too close interatomic distances found"):
            evaluate(together)
        assert evaluate(DIMER.positions)[0] == pytest.approx(before, abs=1e-9)
    uranium = NMer("uranium", (Fragment("U", ("U", "H"), ((0, 0, 0), (2, 0, 0)), ((0, 1),)),), "A1B1")
    with pytest.raises(InputError, match=r"cannot be used for uranium: No support for elements with Z >86"):
        check_force_field(uranium, "GFN2-xTB")


def test_an_scf_that_fails_during_a_run_fails_the_walker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    singlepoint, calls = Calculator.singlepoint, []

    def sometimes(self: Calculator, *result: Any) -> Any:
        calls.append(1)
        if len(calls) % 20 == 0:
            raise RuntimeError("SCF not converged in 250 cycles")
        return singlepoint(self, *result)

    monkeypatch.setattr(Calculator, "singlepoint", sometimes)
    with pytest.raises(
        StageError, match="exploded 3 times, the last time with: GFN2-xTB: SCF not converged in 250"
    ):
        sample_pool(DIMER, SMALL, tmp_path)
    assert len(calls) == 60


def test_bias_and_frames_of_an_xtb_run(tmp_path: Path) -> None:
    """Compiled and Python bias give bitwise the same; frames have xTB's energy, without the bias's."""
    ends = []
    for compiled in (True, False):
        spec = window_bias(DIMER, SMALL.bias.model_copy(update={"pace": 5, "height": 2.0}), 300.0, (0.0, 4.0))
        start = spec.buffer()
        buffer = np.concatenate([start, np.zeros(10 * 24)])
        buffer[LENGTH] = len(buffer)
        buffer[[STRIDE, RING, CAPACITY]] = 10, len(start), 10
        force = np.empty((8, 3))

        def python(step: int, x: np.ndarray, buffer: np.ndarray = buffer, force: np.ndarray = force) -> np.ndarray:
            apply_bias(buffer, step, np.ascontiguousarray(x), force)
            record(buffer, step, x)
            return force

        with simulation(
            DIMER, tmp_path / "data", force_field="GFN2-xTB", temperature=300, timestep=0.5, damping=100, seed=3
        ) as program:
            install_bias(program, buffer) if compiled else install_python_bias(program, python)
            ends.append((run_recorded(program, 10, 10), buffer))
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    np.testing.assert_array_equal(ends[0][1], ends[1][1])
    energy, buffer = ends[0]
    assert buffer[HILLS] == 20 * len(spec.cvs) and buffer[BIAS] > 0.5
    frames = buffer[len(start) :].reshape(10, 8, 3)
    with force_function(DIMER, "GFN2-xTB") as evaluate:
        for x, expected in zip(frames, energy, strict=True):
            assert evaluate(x)[0] == pytest.approx(expected, abs=1e-8)


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from recipes.schema.recipe import Sampling
from tasks.sampling.samplers.pbmetad import walker
from tasks.sampling.samplers.pbmetad.walkers import walkers
walker.SEGMENT = 8
nmer = pickle.loads(Path(sys.argv[3]).read_bytes())
(one,) = walkers(nmer, Sampling.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
left = [2]
def after():
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
walker.run_walker(one, after)
"""


def test_an_xtb_walker_killed_between_segments_resumes_bitwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.sampling.samplers.pbmetad.walker.SEGMENT", 8)
    whole = sample_pool(DIMER, SMALL, tmp_path / "whole")
    killed, dimer = tmp_path / "killed", tmp_path / "dimer.pickle"
    dimer.write_bytes(pickle.dumps(DIMER))
    command = [sys.executable, "-c", KILLED, SMALL.model_dump_json(), str(killed), str(dimer)]
    done = subprocess.run(command, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(segments(killed / "walker-0000")) == 2 < len(segments(tmp_path / "whole" / "walker-0000"))
    resumed = sample_pool(DIMER, SMALL, killed)
    for name in Pool.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    assert len(whole) == 30 and whole.sources == ("pbmetad GFN2-xTB",)
    assert np.isfinite(whole.positions).all() and (whole.com_distance < 4).all()
    lengths = np.linalg.norm(whole.positions[:, 1:5] - whole.positions[:, :1], axis=2)
    assert lengths.min() > 0.9 and lengths.max() < 1.35 and lengths.std() > 0.005


def test_a_pool_of_several_force_fields_has_all_their_sources(tmp_path: Path) -> None:
    settings = SMALL.model_copy(
        update={"force_field": ("ff14SB", "GFN2-xTB", "OPLS-AA"), "temperatures": (300, 500)}
    )
    pool = sample_pool(CH3_WATER, settings, tmp_path)
    assert pool.sources == ("pbmetad ff14SB", "pbmetad GFN2-xTB", "pbmetad OPLS-AA")
    assert np.bincount(pool.source).tolist() == [10, 10, 10]
    for number, force_field in enumerate(settings.force_fields):
        energies = pool.energy[pool.source == number]
        with force_function(CH3_WATER, force_field) as evaluate:
            zero, _ = evaluate(CH3_WATER.positions)
        assert (energies - zero).min() > -20 and (energies - zero).max() < 60
    assert np.abs(np.linalg.norm(pool.positions[:, 1] - pool.positions[:, 0], axis=1) - 1.14).max() < 1e-12
