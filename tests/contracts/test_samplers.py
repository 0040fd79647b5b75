"""What every sampler promises."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.registry import Need
from recipes.schema.recipe import Sampling
from tasks.sampling.frames import Frames, com_distance
from tasks.sampling.sampler import SAMPLERS, Sampler, Work, check_samplers

NAMES = ("conformations", "normal-modes", "pbmetad", "scan")

NMERS = {name: load_recipe(name).build_nmer() for name in ("ch3-water", "conh-conh-pair")}

SMALL: dict[str, Any] = {
    "frames": 24,
    "temperatures": (300, 500),
    "windows": ((0, 4), (4, 7)),
    "equilibration": 0.1,
    "stride": 20,
}
OWN: dict[str, dict[str, Any]] = {
    "conformations": {"conformations": {"molecules": ["AceAla3Nme"]}, "windows": ((0, 10),)},
    "scan": {"scan": {"axes": [{"lower": 3, "upper": 6, "points": 12}], "orientations": 2}},
}
"""What a sampler needs to make these frames."""

CUT = {"conformations": "conh-conh-pair"}
"""The n-mer of a sampler that cannot make frames of methyl and water."""

BAD: dict[str, dict[str, Any]] = {
    "conformations": {"conformations": {"molecules": []}},
    "normal-modes": {"normal_modes": {"statistics": "warm"}},
    "pbmetad": {"bias": {"pace": 0}},
    "scan": {"scan": {"axes": []}},
}
"""Options that each refuses."""


def nmer_of(name: str) -> NMer:
    return NMERS[CUT.get(name, "ch3-water")]


def settings_of(name: str, **more: Any) -> Sampling:
    return Sampling(**{"sampler": name, **SMALL, **OWN.get(name, {}), **more})


def sampled(sampler: Sampler, settings: Sampling, scratch: Path, counted: list[int] | None = None) -> list[Frames]:
    scratch.mkdir(exist_ok=True)
    count = (lambda fresh: None) if counted is None else counted.append
    return sampler.sample(Work(nmer_of(sampler.name), settings, scratch, None, count))


@pytest.fixture(params=NAMES)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return SAMPLERS.get(request.param)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Frames], list[int], Path]]:
    """Each sampler's frames, how it counted them, and the scratch folder that it left."""
    found = {}
    for name in NAMES:
        scratch, counted = tmp_path_factory.mktemp(name), list[int]()
        found[name] = (sampled(SAMPLERS.get(name), settings_of(name), scratch, counted), counted, scratch)
    return found


def test_the_registry_finds_the_samplers_of_this_suite() -> None:
    assert SAMPLERS.names() == NAMES


def test_a_declaration_is_complete(sampler: Sampler) -> None:
    papers = tomllib.loads((files("storage") / "papers.toml").read_text())
    assert sampler.title and sampler.packages and set(sampler.papers) <= set(papers)
    assert all("subject" in papers[key] for key in sampler.papers)
    assert sampler.needs and all(isinstance(need, Need) and need.install for need in sampler.needs)
    settings = settings_of(sampler.name)
    few, many = (sampler.evaluations(settings, nmer_of(sampler.name), frames) for frames in (24.0, 48.0))
    assert 24 <= few < many
    if sampler.options is not None:
        assert sampler.options.TABLE not in Sampling.model_fields
        assert sampler.options().content() == sampler.options.ABSENT, "so that an omitted table changes no key"
        assert all(field.description for field in sampler.options.model_fields.values())


def test_it_makes_the_frames_that_it_is_asked_for_and_counts_them(
    sampler: Sampler, made: dict[str, tuple[list[Frames], list[int], Path]]
) -> None:
    frames, counted, _ = made[sampler.name]
    natoms = nmer_of(sampler.name).natoms
    assert sum(len(part.positions) for part in frames) == sum(counted) == 24
    for part in frames:
        assert part.source.split()[0] == sampler.name and part.source.split()[1] == "ff14SB"
        assert part.positions.shape == (len(part.energy), natoms, 3)
        assert np.isfinite(part.positions).all() and np.isfinite(part.energy).all()


def test_caps_have_their_length(sampler: Sampler, made: dict[str, tuple[list[Frames], list[int], Path]]) -> None:
    for part in made[sampler.name][0]:
        for cap, anchor, length in nmer_of(sampler.name).caps:
            found = np.linalg.norm(part.positions[:, cap] - part.positions[:, anchor], axis=1)
            np.testing.assert_allclose(found, length, atol=1e-9)


def test_temperatures_and_windows_are_those_declared(
    sampler: Sampler, made: dict[str, tuple[list[Frames], list[int], Path]]
) -> None:
    frames, settings = made[sampler.name][0], settings_of(sampler.name)
    assert {part.temperature for part in frames} == (set(settings.temperatures) if sampler.thermal else {0.0})
    for part in frames:
        assert (part.window is not None) == sampler.windowed
        if part.window is not None:
            lower, upper = settings.windows[part.window]
            distance = com_distance(nmer_of(sampler.name), part.positions)
            assert (distance >= lower).all() and (distance < upper).all()


def test_the_same_seed_gives_the_same_frames_and_another_others(
    sampler: Sampler, made: dict[str, tuple[list[Frames], list[int], Path]], tmp_path: Path
) -> None:
    again = sampled(sampler, settings_of(sampler.name), tmp_path / "again")
    other = sampled(sampler, settings_of(sampler.name, seed=7), tmp_path / "other")
    for one, same, another in zip(made[sampler.name][0], again, other, strict=True):
        np.testing.assert_array_equal(one.positions, same.positions)
        np.testing.assert_array_equal(one.energy, same.energy)
        assert np.abs(one.positions - another.positions).max() > 1e-3


def test_what_it_keeps_is_not_sampled_again(
    sampler: Sampler, made: dict[str, tuple[list[Frames], list[int], Path]]
) -> None:
    frames, _, scratch = made[sampler.name]
    if sampler.frames_kept is None:
        assert not list(scratch.iterdir())
        return
    assert sampler.frames_kept(scratch) == 24
    counted: list[int] = []
    again = sampled(sampler, settings_of(sampler.name), scratch, counted)
    assert sum(counted) == 0
    np.testing.assert_array_equal(
        np.concatenate([part.positions for part in frames]), np.concatenate([part.positions for part in again])
    )


def test_bad_options_are_refused_in_one_sentence(sampler: Sampler, tiny_recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        settings_of(sampler.name, **BAD[sampler.name])
    ((table, values),) = BAD[sampler.name].items()
    ((key, value),) = values.items()
    path = tmp_path / "bad.toml"
    text = f'[sampling]\nsampler = "{sampler.name}"\n{table} = {{ {key} = {json.dumps(value)} }}\n'
    path.write_text(tiny_recipe.read_text().replace("[sampling]\n", text))
    with pytest.raises(InputError) as refused:
        load_recipe(str(path))
    said = str(refused.value)
    assert said.startswith("bad.toml: ") and table in said and "\n" not in said


def test_what_it_needs_is_named_where_it_is_missing(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    check_samplers(nmer_of(sampler.name), settings_of(sampler.name))
    monkeypatch.setattr(Need, "found", lambda need: False)
    with pytest.raises(InputError, match=f"sampling.sampler '{sampler.name}' needs .*pip install"):
        check_samplers(nmer_of(sampler.name), settings_of(sampler.name))
