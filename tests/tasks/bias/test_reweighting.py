"""Free-energy surfaces by reweighting, against surfaces that are known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from tasks.bias.metad import MetaD, MetaDBias
from tasks.bias.reweighting import (
    bias_offsets,
    free_energy_surface,
    hills_surface,
    last_bias_weights,
    offset_weights,
)
from tasks.bias.specification import KB, Grid

T = 300.0
KT = KB * T
RING = Grid(-np.pi, np.pi, 60, 0.35, True)
BINS = Grid(-np.pi, np.pi, 24, 0.35, True)


def truth(s: Any) -> Any:
    """A double well of 3 kcal/mol with a difference of 1 kcal/mol between its minima."""
    return 1.5 * (1 - np.cos(2 * s)) + 0.5 * (1 - np.cos(s))


def slope(s: float) -> float:
    return float(3.0 * np.sin(2 * s) + 0.5 * np.sin(s))


def binned(bins: Grid) -> np.ndarray:
    fine = bins.lower + (np.arange(bins.bins * 50) + 0.5) * bins.spacing / 50
    p = np.exp(-truth(fine) / KT).reshape(bins.bins, 50).mean(axis=1)
    found = -KT * np.log(p)
    return found - found.min()


@pytest.fixture(scope="module")
def run() -> tuple[MetaDBias, np.ndarray, np.ndarray, np.ndarray]:
    """Overdamped Langevin dynamics on the double well with well-tempered metadynamics."""
    settings = MetaD((0.35,), (True,), 0.1, 100, 6.0, T, (RING,))
    bias, rng, s, dt = MetaDBias(settings), np.random.default_rng(4), np.zeros(1), 0.004
    noise = rng.normal(scale=np.sqrt(2 * dt * KT), size=120_000)
    values, energies, counts = [], [], []
    for step in range(1, len(noise) + 1):
        energy, push = bias.at(s)
        if step % 10 == 0:
            values.append(s.copy())
            energies.append(energy)
            counts.append(bias.count)
        if step % settings.pace == 0:
            bias.deposit(step, s, energy)
        s = s - dt * (slope(s[0]) + push) + noise[step - 1]
        s -= 2 * np.pi * np.floor(s / (2 * np.pi) + 0.5)
    return bias, np.array(values), np.array(energies), np.array(counts)


def test_both_weights_give_the_surface(run: Any) -> None:
    bias, values, energies, counts = run
    late = slice(len(values) // 5, None)
    offsets = bias_offsets(bias.settings, bias.hills, T)
    assert offsets[0] == 0.0 and offsets[-1] > 2.0
    for weights in (
        last_bias_weights(bias, values[late], T),
        offset_weights(energies[late], counts[late], offsets, T),
    ):
        found = free_energy_surface(values[late], weights, (BINS,), T, blocks=12)
        # the deviation is that of the mean of all bins, in which the errors of the blocks agree
        low = binned(BINS) < 4.0
        apart = (found.energy - binned(BINS))[low]
        apart -= np.average(apart, weights=found.error[low] ** -2)
        assert np.sqrt(np.mean(apart**2)) < 0.3
        assert 0.3 < np.sqrt(np.mean((apart / found.error[low]) ** 2)) < 2.0
        assert found.effective > 6 and found.outside == 0.0
    unweighted = free_energy_surface(values[late], np.zeros(len(values[late])), (BINS,), T)
    assert np.abs(unweighted.energy - binned(BINS))[low].max() > 1.0
    from_hills = hills_surface(bias, np.array(found.centres).T)
    assert np.sqrt(np.mean((from_hills - binned(BINS))[low] ** 2)) < 0.5


def test_a_stride_leaves_out_values_between(run: Any) -> None:
    bias = run[0]
    each, fifth = (bias_offsets(bias.settings, bias.hills[:23], T, stride) for stride in (1, 5))
    np.testing.assert_allclose(fifth[::5], each[::5], atol=1e-12)
    np.testing.assert_array_equal(fifth[5:10], fifth[5])
    assert fifth[23] == pytest.approx(each[23], abs=1e-12)


def test_errors_of_independent_frames_are_their_scatter() -> None:
    """Frames of a known distribution, with weights: the error is the scatter over repetitions."""
    rng, surfaces, errors = np.random.default_rng(0), [], []
    bins = (Grid(0.0, 1.0, 4, 1.0), Grid(0.0, 1.0, 3, 1.0))
    for _ in range(60):
        values = rng.random((2000, 2)) ** [1.0, 0.7]
        found = free_energy_surface(values, 1.5 * values[:, 0], bins, T, blocks=20)
        p = np.exp(-found.energy / KT)
        surfaces.append(-KT * np.log(p / p.sum()))
        errors.append(found.error)
    scatter = np.std(surfaces, axis=0)
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(errors), axis=0)) / scatter, 1.0, atol=0.3)
    fine = (np.arange(400) + 0.5) / 400
    x = np.exp(1.5 * fine).reshape(4, 100).sum(axis=1)
    y = np.diff(np.linspace(0, 1, 4) ** (1 / 0.7))
    exact = -KT * np.log(np.outer(x / x.sum(), y))
    np.testing.assert_allclose(np.mean(surfaces, axis=0), exact, atol=5 * scatter.max() / np.sqrt(60))


def test_what_has_too_few_frames_has_no_error_bar() -> None:
    bins = (Grid(0.0, 1.0, 4, 1.0),)
    values = np.array([[0.1], [0.1], [0.1], [0.4], [0.9], [0.9], [1.5], [0.9]])
    found = free_energy_surface(values, np.zeros(8), bins, T, blocks=2)
    assert np.isinf(found.error[1]) and np.isinf(found.error[2]) and np.isinf(found.energy[2])
    assert found.outside == pytest.approx(1 / 8)
    for change, words in (
        ({"blocks": 1}, "1 blocks of 8 frames"),
        ({"blocks": 9}, "9 blocks of 8 frames"),
        ({"values": values[:, [0, 0]]}, "do not fit"),
        ({"values": values + 9.0}, "all frames are beyond the ends"),
        ({"log_weights": np.full(8, np.nan)}, "not a finite number"),
    ):
        given: dict[str, Any] = {"values": values, "log_weights": np.zeros(8), "grids": bins, "blocks": 2} | change
        with pytest.raises(InputError, match=words):
            free_energy_surface(temperature=T, **given)
    with pytest.raises(InputError, match="give settings with one"):
        bias_offsets(MetaD((0.1,), (True,), 1.0, 5), np.zeros((1, 4)), T)


@pytest.mark.parametrize("biasfactor", [6.0, None])
def test_the_offset_is_that_of_plumed(biasfactor: float | None, tmp_path: Path) -> None:
    """Only where PLUMED_KERNEL leads to PLUMED: its CALC_RCT."""
    if not os.environ.get("PLUMED_KERNEL"):
        pytest.skip("PLUMED_KERNEL is not set")
    from tasks.bias.cvs import CV
    from tasks.bias.plumed_engine import PlumedRun
    from tasks.bias.plumed_metad import metad_input

    settings = MetaD((0.35,), (True,), 0.3, 5, biasfactor, T, (RING,))
    cvs = (CV((0, 1, 2, 3)),)
    text = metad_input(settings, cvs, stride=1, folder=tmp_path)
    if biasfactor is None:
        text = text.replace("  FILE", f"  TEMP={T}\n  FILE")
    text = text.replace("  FILE", "  CALC_RCT\n  FILE").replace("metad.bias", "metad.bias,metad.rct")
    bias, rng = MetaDBias(settings, cvs, 4), np.random.default_rng(1)
    x = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.5]])
    with PlumedRun((1.0,) * 4, 1.0, False) as plumed:
        plumed.begin(text)
        for step in range(101):
            frame = x + rng.normal(scale=0.2, size=x.shape)
            plumed(step, frame)
            bias(step, frame)
        plumed.close()
    rct = np.loadtxt(tmp_path / "COLVAR")[:, 3]
    offsets = bias_offsets(settings, bias.hills, T)
    assert len(offsets) == 21
    np.testing.assert_allclose(offsets[1:], rct[5::5], atol=1e-6)  # PLUMED prints it after the step's hill
