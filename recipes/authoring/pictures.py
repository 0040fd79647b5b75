"""A picture of an n-mer: its atoms with their numbers, its caps marked."""

from __future__ import annotations

from typing import Any

from recipes.chemistry.fragmentation import FoundNMer
from recipes.chemistry.geometry import rdkit_graph, terminal_oxygens

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
    mol = rdkit_graph(bare.symbols, bare.bonds, terminal_oxygens(bare.symbols, bare.bonds))
    for number, atom in enumerate(mol.GetAtoms()):
        atom.SetProp("atomLabel", "cap" if number in bare.caps else bare.symbols[number])
        atom.SetProp("atomNote", str(number))
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
