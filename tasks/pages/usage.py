"""How to use a potential or a sum: lines of Python, ASE and LAMMPS with its name in them, ready to copy.

No path of the store is in them: a page can be sent to others.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.version import Version
from tasks.pages.render import Snippet

COLUMNS = {"uncertainty": "ensemble", "extrapolates": "ranges"}
"""Methods that tell how far a prediction can be trusted, and the array that a potential needs for each."""


def trust_of(versions: Sequence[Version]) -> list[str]:
    """Return the names of these methods that all potentials have; those of the first release have none."""
    return [name for name, column in COLUMNS.items() if all(version.has_column(column) for version in versions)]


def use_of_potential(ref: str, trust: Sequence[str] = ()) -> list[Snippet]:
    """Return how to use one potential.

    Parameters
    ----------
    ref
        Its reference.
    trust
        Methods that tell how far its predictions can be trusted, see `trust_of`.
    """
    name = ref.partition("@")[0]
    return [
        Snippet(
            "Python",
            f'import nmer\n\npotential = nmer.load("{ref}")  # in another folder than nmer-store: store=PATH\n'
            "positions = potential.nmer.positions  # Angstrom, (atoms, 3) or (n, atoms, 3)\n"
            "energy, gradient = potential.energy_and_gradient(positions)  # kcal/mol, kcal/mol/A"
            + "".join(f"\npotential.{name}(positions)" for name in trust),
        ),
        Snippet(
            "ASE",
            "from ase import Atoms\nimport nmer\n\n"
            f'potential = nmer.load("{ref}")\n'
            "atoms = Atoms(potential.symbols, potential.nmer.positions)\n"
            "atoms.calc = potential.calculator()\n"
            "atoms.get_potential_energy(), atoms.get_forces()  # eV, eV/A",
        ),
        Snippet(
            "LAMMPS, and programs in C",
            f"nmer export {ref} --format lammps --out {name}-lammps\ncd {name}-lammps && python run_lammps.py",
        ),
    ]


def use_of_sum(molecule: str, family: str, trust: Sequence[str] = ()) -> list[Snippet]:
    """Return how to use the sum of a molecule.

    Parameters
    ----------
    molecule
        Name of a molecule.
    family
        The family of its n-mers.
    trust
        Methods that tell how far its predictions can be trusted, see `trust_of`.
    """
    python = (
        "import nmer\nfrom recipes.chemistry.molecules import read_molecule\n\n"
        f'molecule = read_molecule("{molecule}").embedded()\n'
        f'model = nmer.sum_potential(molecule, family="{family}", newest=True)\n'
    )
    return [
        Snippet(
            "Python",
            f"{python}energy, gradient = model.energy_and_gradient(molecule.positions)  # kcal/mol, kcal/mol/A"
            + "".join(f"\nmodel.{name}(molecule.positions)" for name in trust),
        ),
        Snippet(
            "ASE",
            f"{python}\nfrom ase import Atoms\n\natoms = Atoms(model.symbols, molecule.positions)\n"
            "atoms.calc = model.trajectory().calculator()",
        ),
        Snippet(
            "LAMMPS",
            "held = nmer.attach_to_lammps(lmp, model.trajectory())  # docs/systems.md has the whole script\n"
            'lmp.command("run 10000")\nheld.check()',
        ),
        Snippet(
            "The command line",
            f"nmer sum {molecule} --family {family} --out {molecule.lower()}.toml\n"
            f"nmer export {molecule.lower()}.toml --format c --out {molecule.lower()}-c",
        ),
    ]
