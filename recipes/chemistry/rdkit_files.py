"""PDB, mol, and SD files read by rdkit; its reason is quoted if it cannot read one, and hydrogens are required."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from recipes.schema.patterns import shown

LARGEST_FILE = 50_000_000
"""Largest size, bytes: that of a PDB file of 600,000 atoms."""

OTHERS = {
    ".cif": "mmCIF",
    ".mmcif": "mmCIF",
    ".bcif": "mmCIF",
    ".pdbx": "mmCIF",
    ".ent": "PDB of another suffix",
    ".mol2": "Tripos mol2",
    ".gro": "GROMACS",
    ".pdbqt": "PDBQT",
    ".gz": "compressed",
    ".zip": "compressed",
}
"""Suffixes of molecular files that are not read here, and their formats."""

_ATOM = re.compile(r"(?:ATOM  |HETATM)")
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*", re.ASCII)
_NO_REASON = re.compile(
    r"^(?:\**|(?:pre|post)-condition violation|range error|violation occurred.*)$", re.IGNORECASE
)


def read_rdkit_file(path: Path, by_distance: bool = True) -> Any:
    """Return the rdkit molecule of a PDB, mol, or SD file exactly as written.

    Parameters
    ----------
    path
        The file.
    by_distance
        Whether atoms of a PDB file that are near to each other are bonded.

    Raises
    ------
    InputError
        If it cannot be read; the message has the line or rdkit's reason.
    """
    from rdkit import Chem

    text = text_of(path)
    kind = path.suffix.lower()[1:]
    if kind == "pdb":
        _check_columns(path, text)
    options = {"proximityBonding": by_distance} if kind == "pdb" else {}
    read = Chem.MolFromPDBBlock if kind == "pdb" else Chem.MolFromMolBlock
    with rdkit_log() as log:
        try:
            mol = read(text, sanitize=False, removeHs=False, **options)
        except (RuntimeError, ValueError) as error:  # raised by rdkit for a few headers
            mol = None
            log.write(str(error))
    if mol is None or not mol.GetNumAtoms():
        reason = _reason(log.getvalue())
        why = f"rdkit says: {reason}" if reason else _guess(kind, text)
        raise InputError(f"file '{path}' cannot be read as a {kind} file: {why}")
    if any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        raise InputError(f"file '{path}' has an atom that stands for any element; every atom must be one")
    return mol


def bonded_atoms(mol: Any) -> tuple[tuple[int, int], ...]:
    """Return the bonds of an rdkit molecule, each with the lower number first, in ascending order.

    Atom by atom: the time of rdkit's own list of bonds grows with the square of their number.
    """
    pairs = {(atom.GetIdx(), other.GetIdx()) for atom in mol.GetAtoms() for other in atom.GetNeighbors()}
    return tuple(sorted((i, j) for i, j in pairs if i < j))


@contextlib.contextmanager
def rdkit_log() -> Iterator[io.StringIO]:
    """Yield a text to which rdkit's messages are written."""
    from rdkit import rdBase

    log = io.StringIO()
    rdBase.LogToPythonStderr()
    try:
        with contextlib.redirect_stderr(log):
            yield log
    finally:
        rdBase.LogToCppStreams()


def implicit_hydrogens(mol: Any) -> list[int]:
    """Return the atoms of a mol or SD file that lack hydrogens according to valences and bond orders."""
    from rdkit import Chem, rdBase

    copy = Chem.Mol(mol)
    with rdBase.BlockLogs():
        if Chem.SanitizeMol(copy, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
            return []
    return [atom.GetIdx() for atom in copy.GetAtoms() if atom.GetNumImplicitHs()]


def text_of(path: Path) -> str:
    """Return the text of a file; raises InputError if it cannot be read, is too large, or is not text."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"file '{path}' cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise InputError(f"file '{path}' is larger than {LARGEST_FILE // 1_000_000} MB")
    if b"\0" in content:
        raise InputError(f"file '{path}' is not text: it has a NUL in it")
    return content.decode("utf-8-sig", errors="replace")


def _check_columns(path: Path, text: str) -> None:
    """Raise InputError if an atom's coordinates are not numbers in columns 31 to 54: rdkit would guess."""
    models = 0
    for number, line in enumerate(text.splitlines(), start=1):
        models += line.startswith("MODEL ")
        if models > 1:
            return
        if not _ATOM.match(line):
            continue
        for axis, start in zip("xyz", (30, 38, 46), strict=True):
            field = line[start : start + 8]
            if not _NUMBER.fullmatch(field):
                where = f"line {number}: {axis} in columns {start + 1} to {start + 8}"
                raise InputError(f"file '{path}', {where} is {shown(field.strip())}, not a number (A)")


def _reason(log: str) -> str:
    """Return the first informative line of rdkit's log."""
    lines = [re.sub(r"^\[[0-9:]+\]\s*", "", line).strip() for line in log.splitlines()]
    lines = lines[: next((n for n, line in enumerate(lines) if line.startswith("Stacktrace")), len(lines))]
    useful = [line for line in lines if line and not _NO_REASON.match(line) and not set(line) <= set("-*")]
    return shown(useful[0], 200)[1:-1] if useful else ""


def _guess(kind: str, text: str) -> str:
    if not text.strip():
        return "it is empty"
    if text.lstrip().startswith("data_") or "_atom_site." in text:
        return "it is mmCIF; convert it, for example with: gemmi convert FILE.cif FILE.pdb"
    if kind == "pdb":
        return "it has no lines ATOM or HETATM"
    return "it has no table of atoms of the form V2000 or V3000"
