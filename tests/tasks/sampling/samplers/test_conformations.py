"""The sampler 'conformations': frames that are cut from molecules, windows, shares, refusals."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial.distance import pdist

from potentials.errors import InputError, StageError
from recipes.chemistry.conformations import conformations
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.occurrences import occurrences
from recipes.load import load_recipe
from recipes.schema.recipe import Sampling
from storage.keys import pool_key
from tasks.sampling.engine import force_function
from tasks.sampling.frames import com_distance
from tasks.sampling.pool import sample_pool
from tasks.sampling.sampler import check_samplers
from tasks.sampling.samplers.conformations.cutting import sample_conformations
from tasks.sampling.task import frames_by_source

TRIMER = load_recipe("ch3-conh-ch").build_nmer()
PAIR = load_recipe("conh-conh-pair").build_nmer()
WATER = load_recipe("conh-water").build_nmer()


def settings(frames: int, *molecules: str, sampler: Any = "conformations", **more: Any) -> Sampling:
    table = {"molecules": molecules} | {key: more.pop(key) for key in ("noise",) if key in more}
    if sampler != "conformations":
        table["frames"] = more.pop("cut")
    return Sampling(sampler=sampler, frames=frames, conformations=table, **more)


def test_frames_are_the_nmers_of_the_conformations() -> None:
    """Without noise, real atoms are where the molecule has them, frame by frame."""
    molecule = read_molecule("AceAla2Nme")
    (frames,) = sample_conformations(TRIMER, settings(4, "AceAla2Nme", noise=0, seed=11))
    assert frames.source == "conformations ff14SB of AceAla2Nme" and frames.temperature == 0
    found = occurrences(TRIMER, molecule)
    real = np.flatnonzero(~found.caps[0])
    whole = [x for _, x in islice(conformations(molecule, 11), 4 // len(found.atoms) + 1)]
    places = [(x, atoms) for x in whole for atoms in found.atoms]
    for frame, (x, atoms) in zip(frames.positions, places, strict=False):
        np.testing.assert_allclose(pdist(frame[real]), pdist(x[atoms[real]]), atol=1e-10)
        np.testing.assert_allclose(frame.mean(axis=0), 0, atol=1e-12)
    with force_function(TRIMER, "ff14SB") as evaluate:
        np.testing.assert_allclose(frames.energy, [evaluate(x)[0] for x in frames.positions], rtol=1e-12)


def test_noise_moves_atoms_by_its_deviation() -> None:
    (still,), (moved,) = (
        sample_conformations(TRIMER, settings(60, "AceAla2Nme", noise=noise)) for noise in (0.0, 0.05)
    )
    bonds = np.array([bond for bond in TRIMER.bonds if not set(bond) & {cap for cap, _, _ in TRIMER.caps}])
    lengths = [
        np.linalg.norm(f.positions[:, bonds[:, 0]] - f.positions[:, bonds[:, 1]], axis=2) for f in (still, moved)
    ]
    assert (lengths[1] - lengths[0]).std() == pytest.approx(0.05 * np.sqrt(2), rel=0.1)


def test_molecules_give_equal_parts_and_pairs_lie_in_the_windows() -> None:
    windows = ((4.0, 6.0), (6.0, 7.5))
    parts = sample_conformations(PAIR, settings(25, "AceAla3Nme", "AceGly4Nme", windows=windows))
    assert [len(part.positions) for part in parts] == [13, 12]
    assert [part.source.split()[-1] for part in parts] == ["AceAla3Nme", "AceGly4Nme"]
    assert [part.seed for part in parts] == [2025, 2026]
    distance = np.concatenate([com_distance(PAIR, part.positions) for part in parts])
    assert distance.min() >= 4.0 and distance.max() < 7.5
    with pytest.raises(StageError, match=r"50 conformations of AceAla3Nme have no conh-conh-pair within"):
        sample_conformations(PAIR, settings(5, "AceAla3Nme", windows=((1.0, 2.0),)))


def test_a_mixed_pool_has_them_beside_the_walkers(tmp_path: Path) -> None:
    mixed = settings(
        40, "AceAla3Nme", sampler=["pbmetad", "conformations"], cut=16, windows=((0, 10),), equilibration=0.1
    )
    pool = sample_pool(PAIR, mixed, tmp_path)
    assert pool.sources == ("pbmetad ff14SB", "conformations ff14SB of AceAla3Nme")
    assert frames_by_source(pool) == {
        "frames of pbmetad ff14SB": 24,
        "frames of conformations ff14SB of AceAla3Nme": 16,
    }
    assert not pool.temperature[pool.source == 1].any() and not pool.window.any()


@pytest.mark.parametrize(
    ("molecules", "message"),
    [
        ((), "needs the names of molecules in conformations.molecules"),
        (("AceAla3Nme", "AceAla3Nme"), "names a molecule twice"),
        (("AceAla3Nme", "AceAla4Nme", "AceAla5Nme"), "makes 2 frames of 3 molecules"),
        (("chain.pdb",), "must be the name of a chain"),
        (("C/C=C\\C",), "must be the name of a chain"),
    ],
)
def test_settings_that_cannot_be_are_refused(molecules: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(2, *molecules)


@pytest.mark.parametrize(
    ("nmer", "molecule", "message"),
    [
        (
            WATER,
            "AceAla3Nme",
            "molecule 'AceAla3Nme' does not contain 'conh-water': 'water' is none of its 1-mers",
        ),
        (PAIR, "CCCC", "molecule 'CCCC' does not contain 'conh-conh-pair'"),
        (PAIR, "AceXyz3Nme", "chain 'AceXyz3Nme': residue 'Xyz' is unknown"),
        (PAIR, "AceAla90Nme", r"'AceAla90Nme' has 912 atoms; allowed: up to 300"),
    ],
)
def test_a_molecule_without_the_nmer_is_refused_before_anything_runs(
    nmer: Any, molecule: str, message: str
) -> None:
    with pytest.raises(InputError, match=rf"^sampling\.conformations\.molecules: {message}"):
        check_samplers(nmer, settings(2, molecule))


def test_molecules_are_in_the_key_of_a_pool_and_their_absence_is_not() -> None:
    recipe = load_recipe("conh-conh-pair", "smoke")
    found = {pool_key(recipe)}
    for change in ({"molecules": ("AceAla4Nme",)}, {"noise": 0.05}, {"frames": 100}):
        table = recipe.sampling.conformations.model_copy(update=change)  # type: ignore[attr-defined]
        found.add(
            pool_key(
                recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update={"conformations": table})})
            )
        )
    assert len(found) == 4
    assert "conformations" not in load_recipe("ch3-water").sampling.content()
