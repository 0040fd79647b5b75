"""Read one METAD action, and write the ``plumed.dat`` of a bias."""

from __future__ import annotations

from pathlib import Path

from potentials.errors import InputError
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD
from tasks.bias.plumed_model import PlumedCV, PlumedMetaD, Walkers
from tasks.bias.plumed_pbmetad import grid_notes, read_grids
from tasks.bias.plumed_words import Action, number_text, short
from tasks.bias.specification import Grid

MOST_WALKERS = 10_000
"""Most walkers of one action."""


def read_metad(
    action: Action, cvs: list[PlumedCV], length: float, energy: float, restart: bool
) -> tuple[PlumedMetaD, list[str]]:
    """Return the bias of an action, and notes on where PLUMED itself computes a different number, or warns.

    Parameters
    ----------
    action
        A METAD action.
    cvs
        Its arguments.
    length, energy
        The file's units, Angstrom and kcal/mol.
    restart
        Whether the file has RESTART.

    Raises
    ------
    InputError
        If PLUMED refuses it, or it contains something that is not supported; the message names the line.
    """
    names = tuple(cv.label for cv in cvs)
    if len(set(names)) != len(names):
        raise action.fail("ARG names a variable twice")
    scale = [cv.scale(length) for cv in cvs]
    widths = action.numbers("SIGMA", len(cvs))
    if min(widths) <= 0:
        raise action.fail("SIGMA must be above 0")
    sigma = tuple(width * unit for width, unit in zip(widths, scale, strict=True))
    lower, upper, bins = read_grids(action, cvs, scale, widths)
    grids = tuple(
        Grid(low, high, many, width, cv.periodic)
        for low, high, many, width, cv in zip(lower, upper, bins, sigma, cvs, strict=bool(bins))
    )
    given = action.values
    biasfactor = action.numbers("BIASFACTOR", 1)[0] if "BIASFACTOR" in given else None
    temperature = action.numbers("TEMP", 1, "0")[0]
    if biasfactor is not None and temperature <= 0:
        raise action.fail(
            "METAD with BIASFACTOR needs a TEMP above 0 K: a trajectory does not carry a temperature"
        )
    if biasfactor is not None and biasfactor <= 1:
        raise action.fail(f"BIASFACTOR={biasfactor:g} must be above 1; without it hills keep their height")
    height, pace = action.numbers("HEIGHT", 1)[0] * energy, action.whole("PACE", action.word("PACE"))
    if height <= 0:
        raise action.fail("HEIGHT must be above 0")
    try:
        settings = MetaD(sigma, tuple(cv.periodic for cv in cvs), height, pace, biasfactor, temperature, grids)
    except InputError as error:
        raise action.fail(str(error)) from None
    name = given.get("FILE", "HILLS")
    if Path(name).name in ("", "..") or not name.isprintable() or "," in name:
        raise action.fail(f"FILE={short(name)} is not a file name")
    if given.get("RESTART", "AUTO") not in ("YES", "NO", "AUTO"):
        raise action.fail(f"RESTART={short(given['RESTART'])} is not supported; allowed: YES, NO, AUTO")
    again = {"YES": True, "NO": False, "AUTO": restart}[given.get("RESTART", "AUTO")]
    bias = PlumedMetaD(action.label, names, settings, name, _walkers(action), again)
    return bias, [
        note for cv, grid in zip(cvs, grids, strict=False) for note in grid_notes(action, cv.label, grid)
    ]


def _walkers(action: Action) -> Walkers | None:
    """Return the walkers of an action; None for one walker."""
    given = action.values
    number = action.whole("WALKERS_N", given.get("WALKERS_N", "1"))
    own = action.numbers("WALKERS_ID", 1, "0")[0]
    if number > MOST_WALKERS or own != round(own) or not 0 <= own < number:
        raise action.fail(
            f"WALKERS_ID={own:g} of WALKERS_N={number}; allowed: 0 to WALKERS_N - 1, and at most {MOST_WALKERS:,} "
            "walkers"
        )
    stride = action.whole("WALKERS_RSTRIDE", given.get("WALKERS_RSTRIDE", "1"))
    if number == 1:
        if given.keys() & {"WALKERS_DIR", "WALKERS_RSTRIDE"}:
            raise action.fail("WALKERS_DIR and WALKERS_RSTRIDE need WALKERS_N above 1")
        return None
    folder = given.get("WALKERS_DIR", "")
    if not folder.isprintable():
        raise action.fail(f"WALKERS_DIR={short(folder)} is not a folder")
    return Walkers(number, int(own), folder, stride)


def metad_labels(cvs: tuple[CV, ...]) -> list[str]:
    """Return the name of each variable in a PLUMED input: d, a, or t, and its number."""
    return [f"{cv.kind[0]}{n}" for n, cv in enumerate(cvs)]


def metad_input(
    settings: MetaD,
    cvs: tuple[CV, ...],
    *,
    stride: int,
    folder: Path | None = None,
    labels: tuple[str, ...] = (),
    walkers: Walkers | None = None,
    restart: bool = False,
    nearest: bool = False,
) -> str:
    """Return the ``plumed.dat`` of a bias.

    Parameters
    ----------
    settings
        The settings.
    cvs
        The variables.
    stride
        Steps between lines of the COLVAR file.
    folder
        Where PLUMED writes its files; None for its working folder.
    labels
        Names of the variables; by default those of `metad_labels`.
    walkers
        Other walkers.
    restart
        Whether PLUMED reads the hills that are there.
    nearest
        Whether the variables are those of nearest images in a box.
    """
    where = "" if folder is None else f"{folder}/"
    names = list(labels) or metad_labels(cvs)
    lines = ["UNITS LENGTH=A ENERGY=kcal/mol TIME=fs", *(["RESTART"] if restart else [])]
    for name, cv in zip(names, cvs, strict=True):
        atoms = ",".join(str(a + 1) for a in cv.atoms)
        lines.append(f"{name}: {cv.kind.upper()} ATOMS={atoms}{'' if nearest else ' NOPBC'}")
    lines += [
        "METAD ...",
        "  LABEL=metad",
        f"  ARG={','.join(names)}",
        f"  SIGMA={','.join(number_text(width) for width in settings.sigma)}",
        f"  PACE={settings.pace} HEIGHT={number_text(settings.height)}",
    ]
    if settings.biasfactor is not None:
        lines.append(f"  BIASFACTOR={number_text(settings.biasfactor)} TEMP={number_text(settings.temperature)}")
    if settings.grids:
        for key, values in (
            ("GRID_MIN", [number_text(grid.lower) for grid in settings.grids]),
            ("GRID_MAX", [number_text(grid.upper) for grid in settings.grids]),
            ("GRID_BIN", [str(grid.bins) for grid in settings.grids]),
        ):
            lines.append(f"  {key}={','.join(values)}")
    if walkers is not None:
        lines.append(f"  WALKERS_N={walkers.number} WALKERS_ID={walkers.own} WALKERS_RSTRIDE={walkers.stride}")
        lines += [f"  WALKERS_DIR={walkers.folder}"] if walkers.folder else []
    hills = "HILLS" if walkers is not None and walkers.folder else f"{where}HILLS"
    lines += [f"  FILE={hills}", "  FMT=%24.16e", "... METAD"]
    lines.append(f"PRINT ARG={','.join(names)},metad.bias FILE={where}COLVAR STRIDE={stride}")
    return "\n".join(lines) + "\n"
