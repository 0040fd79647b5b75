"""The command that tests a family of potentials on alanine dipeptide: ramachandran."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import check_folder, print_json, print_table
from potentials.errors import InputError

TIMED = ("AceAlaNme", "AceAla9Nme")
CALLS = 50


def ramachandran(
    *,
    which: Annotated[
        Literal["latest", "released"], Parameter(help="The version of each n-mer's potential.")
    ] = "latest",
    step: Annotated[int, Parameter(help="Spacing of the grid (degrees); a divisor of 360.")] = 10,
    store: StorePath = None,
    out: Annotated[Path, Parameter(help="Folder for the plot and its data.")] = Path("ramachandran"),
    json: Json = False,
) -> int:
    """Compare the sum of a store's polyalanine potentials for alanine dipeptide with GFN2-xTB.

    On the Ramachandran grid, with geometries relaxed with MMFF94 at fixed torsions; energies are shifted to the
    same mean. The potentials need GFN2-xTB labels: nmer run --all polyalanine --protocol gfn2-xtb.

    Examples
    --------
    nmer ramachandran --step 30
    """
    from nmer.sums import sum_potential
    from recipes.chemistry.fragmentation import fragment_molecule
    from recipes.chemistry.molecules import read_molecule
    from storage.store import Store
    from tasks.plot import write_plots
    from tasks.progress import ProgressLine
    from tasks.validation.ramachandran import scan_dipeptide, scan_plot
    from tasks.xtb import check_tblite

    if not 5 <= step <= 90 or 360 % step:
        raise InputError(f"--step is {step}; allowed: a divisor of 360 from 5 to 90")
    check_folder(out)
    check_tblite()
    opened = Store(store)
    names = dict.fromkeys(f.name for chain in TIMED for f in fragment_molecule(read_molecule(chain)))
    have = {v.nmer for v in opened.versions("potential")}
    if missing := [name for name in names if name not in have]:
        raise InputError(f"the store at '{opened.path}' has no potentials of {', '.join(missing)}")
    potentials = {name: opened.potential(f"{name}@{which}") for name in names}
    with ProgressLine("relaxing", (360 // step) ** 2, "geometries") as line:
        scan = scan_dipeptide(sum_potential(TIMED[0], potentials), step, line.update)
    seconds = {}
    for chain in TIMED:
        molecule = read_molecule(chain).embedded()
        model, positions = sum_potential(molecule, potentials), np.array(molecule.positions)
        model.energy_and_gradient(positions)
        begun = time.process_time()
        for _ in range(CALLS):
            model.energy_and_gradient(positions)
        seconds[chain] = (time.process_time() - begun) / CALLS
    try:
        files = [str(path) for path in write_plots([scan_plot(scan)], out)]
    except OSError as error:
        raise InputError(f"cannot write into '{out}': {error.strerror}; give another folder with --out") from None
    figures = scan.as_dict()
    if json:
        print_json(figures | {"seconds_per_call": seconds, "files": files})
        return 0
    print_table(
        ("alanine dipeptide", "RMSD (kcal/mol)", "paper I"),
        [
            ("all", f"{figures['rmsd']:.2f}", "1.27"),
            ("below 10 kcal/mol", f"{figures['rmsd_below_10']:.2f}", "1.18"),
            ("above 10 kcal/mol", f"{figures['rmsd_above_10']:.2f}", "1.59"),
        ],
    )
    for chain, each in seconds.items():
        print(f"{chain}: {1e6 * each:.0f} us for energy and forces")
    print("\n".join(files))
    return 0
