"""A picture of an n-mer: its atoms with their numbers, its caps marked."""

from __future__ import annotations

from typing import Any

from recipes.chemistry.fragmentation import FoundNMer

SIZE = (520, 400)
"""Width and height, pixels."""

CAP_COLOUR = (0.98, 0.80, 0.45)


def picture(found: FoundNMer) -> bytes:
    """Return a PNG of an n-mer: element and number of each atom, caps on a coloured disk.

    Parameters
    ----------
    found
        The n-mer; the caption has its name, symmetry, and how often it occurs.
    """
    from rdkit import Chem
    from rdkit.Chem import rdDepictor
    from rdkit.Chem.Draw import rdMolDraw2D

    bare = found.skeleton
    editable = Chem.RWMol()
    for number, symbol in enumerate(bare.symbols):
        atom = Chem.Atom(symbol)
        atom.SetNoImplicit(True)
        atom.SetProp("atomLabel", "cap" if number in bare.caps else symbol)
        atom.SetProp("atomNote", str(number))
        editable.AddAtom(atom)
    oxygens = {n for n, s in enumerate(bare.symbols) if s == "O" and sum(n in bond for bond in bare.bonds) == 1}
    for i, j in bare.bonds:
        editable.AddBond(i, j, Chem.BondType.DOUBLE if {i, j} & oxygens else Chem.BondType.SINGLE)
    mol = editable.GetMol()
    mol.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(mol)
    rdDepictor.GenerateDepictionMatching3DStructure(mol, _in_space(mol, found))
    canvas = rdMolDraw2D.MolDraw2DCairo(*SIZE)
    options = canvas.drawOptions()
    options.prepareMolsBeforeDrawing = False
    options.annotationFontScale = 0.6
    options.legendFontSize = 22
    options.legendFraction = 0.14
    options.padding = 0.08
    times = f"{len(found.placements)} time{'s' if len(found.placements) > 1 else ''}"
    rdMolDraw2D.PrepareAndDrawMolecule(
        canvas,
        mol,
        legend=f"{found.name}   {found.nmer.symmetry}   {times}",
        highlightAtoms=list(bare.caps),
        highlightAtomColors=dict.fromkeys(bare.caps, CAP_COLOUR),
        highlightBonds=[],
        kekulize=False,
    )
    canvas.FinishDrawing()
    return bytes(canvas.GetDrawingText())


def _in_space(mol: Any, found: FoundNMer) -> Any:
    """Return a copy of an rdkit molecule with the n-mer's geometry, which the picture resembles."""
    from rdkit import Chem

    copy = Chem.Mol(mol)
    conformer = Chem.Conformer(len(found.skeleton.symbols))
    for number, position in enumerate(found.fragment.positions):
        conformer.SetAtomPosition(number, position)
    copy.AddConformer(conformer)
    return copy
