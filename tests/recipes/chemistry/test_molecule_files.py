"""Files of molecules: what cannot be read is said with its reason, and hydrogens must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import Molecule, from_smiles, read_molecule

CHAIN = read_molecule("AceAlaNme").embedded()


def pdb(molecule: Molecule, keep: str = "all", conect: bool = True) -> str:
    """A PDB file of a molecule: with all atoms, or without (some of) its hydrogens."""
    from rdkit import Chem
    from rdkit.Geometry import Point3D

    mol = Chem.RWMol(Chem.AddHs(Chem.MolFromSmiles(molecule.smiles)))
    conformer = Chem.Conformer(molecule.natoms)
    for n, (x, y, z) in enumerate(molecule.positions or ()):
        conformer.SetAtomPosition(n, Point3D(x, y, z))
    mol.AddConformer(conformer)
    for atom in reversed(range(molecule.natoms)):
        on = molecule.symbols[molecule.neighbours[atom][0]] if molecule.neighbours[atom] else ""
        if molecule.symbols[atom] == "H" and (keep == "none" or (keep == "polar" and on == "C")):
            mol.RemoveAtom(atom)
    text: str = Chem.MolToPDBBlock(mol)
    return text if conect else "".join(line for line in text.splitlines(True) if not line.startswith("CONECT"))


FULL = pdb(CHAIN)
FIRST = FULL.splitlines()[0]
MOL = "x\n\n\n  2  1  0  0  0  0  0  0  0  0999 V2000\n{}{}  1  2  1  0\nM  END\n"
ATOM = "    0.0000    0.0000    {:6.4f} {:<3} 0  0\n"

REFUSED: dict[str, tuple[str, str, str]] = {
    "nothing": ("pdb", "", "cannot be read as a pdb file: it is empty"),
    "a letter": ("pdb", "dear nmer\n", "it has no lines ATOM or HETATM"),
    "mmCIF called PDB": ("pdb", "data_1ABC\n_entry.id 1ABC\nloop_\n_atom_site.id\n1\n", "it is mmCIF; convert it"),
    "mmCIF": ("cif", "data_1ABC\n", "(mmCIF) must be one of .xyz, .pdb, .mol, .sdf; convert it"),
    "compressed": ("pdb.gz", "", "(compressed) must be one of"),
    "GROMACS": ("gro", "", "(GROMACS) must be one of"),
    "no hydrogens": ("pdb", pdb(CHAIN, "none"), "has no hydrogens; add them first, for example with: obabel"),
    "no hydrogens on carbon": ("pdb", pdb(CHAIN, "polar"), "lacks hydrogens on C0, C4, C5"),
    "an unknown element": ("pdb", FULL.replace(FIRST, FIRST[:76] + "Qq  "), "rdkit says: Element 'Qq' not found"),
    "no number": ("pdb", FULL.replace(FIRST[30:38], "     nan", 1), "line 1: x in columns 31 to 38 is 'nan'"),
    "two points": (
        "pdb",
        FULL.replace(FIRST[38:46], "  12.3.4", 1),
        "y in columns 39 to 46 is '12.3.4'",
    ),
    "a column beside": ("pdb", FULL.replace(FIRST, FIRST[:27] + FIRST[30:]), "line 1: z in columns 47 to 54"),
    "half a line": ("pdb", FIRST[:40] + "\n", "line 1: y in columns 39 to 46"),
    "an atom twice": ("pdb", f"{FIRST}\n{FIRST}\nEND\n", "are 0.00 A apart, which is one place"),
    "an empty mol file": ("mol", "", "cannot be read as a mol file: it is empty"),
    "a mol file cut off": (
        "mol",
        "x\n\n\n  3  2  0  0  0  0            999 V2000\n",
        "rdkit says: EOF hit",
    ),
    "a bond to nobody": (
        "mol",
        MOL.format(ATOM.format(0, "H"), ATOM.format(0.74, "H")).replace("  1  2  1", "  1  5  1"),
        "rdkit says: ",
    ),
    "an element of its own": (
        "mol",
        MOL.format(ATOM.format(0, "Qq"), ATOM.format(1, "H")),
        "Element 'Qq' not found",
    ),
    "a mol file without hydrogens": (
        "mol",
        MOL.format(ATOM.format(0, "C"), ATOM.format(1.5, "C")),
        "has no hydrogens",
    ),
    "an xyz file without hydrogens": ("xyz", "2\n\nC 0 0 0\nC 0 0 1.54\n", "has no hydrogens"),
    "atoms in one place": ("xyz", "3\n\nO 0 0 0\nH 0 0 0.96\nH 0 0 0.97\n", "which is one place"),
    "water without hydrogens": (
        "pdb",
        "HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O\n",
        "has no hydrogens",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_with_its_reason(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, text, expected = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    Path(f"mine.{kind}").write_text(text)
    assert main(["fragment", f"mine.{kind}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and len(captured.err) < 600
    assert captured.err.startswith(f"nmer: file 'mine.{kind}'") and expected in captured.err, captured.err
    assert [path.name for path in tmp_path.iterdir()] == [f"mine.{kind}"]


@pytest.mark.parametrize(
    "content", [b"\x00" * 100, b"\x89PNG\r\n\x1a\n\x00", b"\xff\xfe" + FULL.encode("utf-16-le")]
)
@pytest.mark.parametrize("kind", ["pdb", "mol", "sdf"])
def test_what_is_no_text_is_refused(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{kind}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not text: it has a NUL in it"):
        read_molecule(str(path))


def test_folders_and_absent_files_are_said(tmp_path: Path) -> None:
    (tmp_path / "mine.pdb").mkdir()
    with pytest.raises(InputError, match="is a folder; allowed"):
        read_molecule(str(tmp_path / "mine.pdb"))
    with pytest.raises(InputError, match="does not exist; allowed"):
        read_molecule(str(tmp_path / "none.pdb"))


@pytest.mark.parametrize("conect", [True, False])
def test_a_pdb_file_with_hydrogens_is_taken_apart(conect: bool, tmp_path: Path) -> None:
    """Without CONECT, hydrogens of a residue that rdkit does not know had no bonds."""
    path = tmp_path / "m\u00fcnchen.pdb"
    path.write_text(pdb(CHAIN, conect=conect))
    read = read_molecule(str(path))
    assert (read.symbols, read.bonds) == (CHAIN.symbols, CHAIN.bonds)
    assert [f.name for f in fragment_molecule(read)] == [f.name for f in fragment_molecule(CHAIN)]


@pytest.mark.parametrize("smiles", ["C#N", "[C-]#[O+]", "C#C", "c1ccccc1", "O", "N", "CC(=O)[O-]", "C=O", "CCO"])
@pytest.mark.parametrize("kind", ["pdb", "mol"])
def test_whole_molecules_lack_nothing(smiles: str, kind: str, tmp_path: Path) -> None:
    from rdkit import Chem

    molecule = from_smiles(smiles).embedded()
    path = tmp_path / f"mine.{kind}"
    text = pdb(molecule)
    if kind == "mol":
        text = Chem.MolToMolBlock(_placed(molecule))
    path.write_text(text)
    read = read_molecule(str(path))
    assert read.symbols == molecule.symbols and read.bonds == molecule.bonds
    assert read.charge == molecule.charge


def test_what_has_no_hydrogens_by_nature_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.xyz"
    for text in ("C 0 0 0\nO 0 0 1.16\nO 0 0 -1.16", "C 0 0 0\nO 0 0 1.13", "N 0 0 0\nN 0 0 1.1", "K 0 0 0"):
        path.write_text(f"{len(text.splitlines())}\n\n{text}\n")
        assert read_molecule(str(path)).natoms == len(text.splitlines())


def _placed(molecule: Molecule) -> object:
    from rdkit import Chem
    from rdkit.Geometry import Point3D

    mol = Chem.AddHs(Chem.MolFromSmiles(molecule.smiles))
    conformer = Chem.Conformer(molecule.natoms)
    for n, (x, y, z) in enumerate(molecule.positions or ()):
        conformer.SetAtomPosition(n, Point3D(x, y, z))
    mol.AddConformer(conformer)
    return mol
