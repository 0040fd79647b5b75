"""A sampler and a descriptor, each in one file outside the project, are used by a run with its workers."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage.contents import pool_from_version
from storage.store import Store

SAMPLER = '''
"""Atoms shaken at random, on the workers."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from recipes.schema.tables import Options
from tasks.sampling.frames import Frames
from tasks.sampling.sampler import Sampler, Work


class ShakeOptions(Options):
    """How much."""

    TABLE: ClassVar[str] = "shake"

    width: float = Field(0.05, gt=0, le=1, description="standard deviation of a coordinate (A)")


def shaken(nmer, settings, seed, frames):
    width = settings.options(ShakeOptions).width
    moves = np.random.default_rng(seed).normal(scale=width, size=(frames, nmer.natoms, 3))
    return nmer.place_caps(nmer.positions + moves)


def sample(work: Work) -> list[Frames]:
    seed, frames = work.settings.seed, work.settings.shares["shake"]
    future = work.client.submit(shaken, work.nmer, work.settings, seed, frames, pure=False)
    work.count(frames)
    return [Frames("shake none", future.result(), np.zeros(frames), 300.0, seed)]


SAMPLER = Sampler(name="shake", title="atoms shaken at random", options=ShakeOptions, sample=sample)
'''

DESCRIPTOR = '''
"""The distance of two atoms."""

import numpy as np

from tasks.selection.descriptor import Descriptor


def make(nmer, settings, sample):
    return lambda x: np.linalg.norm(x[:, :1] - x[:, 5:6], axis=2)


DESCRIPTOR = Descriptor(name="one-distance", title="the distance of two atoms", make=make, width=lambda nmer: 1)
'''

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "shake.py").write_text(SAMPLER)
    (folder / "one_distance.py").write_text(DESCRIPTOR)
    monkeypatch.setenv("NMER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def recipe(tiny_recipe: Path, tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    text = tiny_recipe.read_text().replace(
        "[sampling]\n", '[sampling]\nsampler = "shake"\nshake = { width = 0.1 }\n'
    )
    path.write_text(text.replace("[selection]\n", '[selection]\ndescriptor = "one-distance"\n'))
    return path


def test_a_run_samples_and_selects_with_them(
    plugins: Path, recipe: Path, nmer_command: Command, tmp_path: Path
) -> None:
    words = ("run", str(recipe), "--until", "selection", "--store", "store")
    done = nmer_command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    store = Store(tmp_path / "store")
    (pool,), (selection,) = store.versions("pool"), store.versions("selection")
    frames = pool_from_version(pool)
    assert frames.sources == ("shake none",) and len(frames) == 200
    assert 0.08 < frames.positions[:, 5].std(axis=0).mean() < 0.12
    written = tomllib.loads(pool.attributes()["recipe"])["sampling"]
    assert written["shake"] == {"width": 0.1} and written["scan"] == {"axes": [], "orientations": 1}
    assert selection.column("split").shape == (22,)
    distance = np.linalg.norm(np.diff(selection.column("positions")[:, [0, 5]], axis=1), axis=2)
    assert np.ptp(distance) > 0.3, "it covers the one distance"
    again = nmer_command(*words, "--json", cwd=tmp_path)
    assert again.returncode == 0 and json.loads(again.stdout)


def test_its_options_are_checked_and_keys_of_others_stay(
    plugins: Path, recipe: Path, nmer_command: Command, tmp_path: Path
) -> None:
    recipe.write_text(recipe.read_text().replace("width = 0.1", "width = 3"))
    refused = nmer_command("plan", str(recipe), "--store", "store", cwd=tmp_path)
    assert refused.returncode == 2 and "sampling.shake.width" in refused.stderr
    assert refused.stderr.strip().count("\n") == 0
    shown = nmer_command("show", "ch3-water", "--preset", "smoke", cwd=tmp_path)
    assert shown.returncode == 0 and "shake" not in shown.stdout


def test_a_table_with_the_key_of_an_option_is_refused(
    plugins: Path, recipe: Path, nmer_command: Command, tmp_path: Path
) -> None:
    (plugins / "shake.py").write_text(SAMPLER.replace('"shake"\n\n', '"bias"\n\n'))
    refused = nmer_command("plan", str(recipe), "--store", "store", cwd=tmp_path)
    assert refused.returncode == 2 and "table 'bias' of 'shake'" in refused.stderr


def test_without_the_file_the_name_is_refused(recipe: Path, nmer_command: Command, tmp_path: Path) -> None:
    refused = nmer_command("plan", str(recipe), "--store", "store", cwd=tmp_path)
    assert refused.returncode == 2 and "shake" in refused.stderr and "allowed: " in refused.stderr
