"""The SOAP descriptor: its invariances, its scale, and the error without its library."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.registry import Need
from recipes.schema.recipe import SelectionSettings
from storage.records import Pool
from tasks.selection.choose import select
from tasks.selection.descriptor import Describe, checked_descriptor
from tasks.selection.descriptors.soap import soap
from tasks.selection.descriptors.sorted_distances import weighted_distances

SETTINGS = SelectionSettings(descriptor="soap", train=60, test=10)


@pytest.fixture(scope="module")
def describe(methyl_water: NMer, pool: Pool) -> Describe:
    pytest.importorskip("dscribe", reason="pip install 'nmer[soap]'")
    return soap(methyl_water, SETTINGS, pool.positions[:300])


def test_rotations_and_exchanges_of_equal_atoms_change_nothing(describe: Describe, pool: Pool) -> None:
    positions = pool.positions[:50]
    features = describe(positions)
    scale = np.abs(features).max()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned = positions[:, [0, 1, 3, 4, 2, 5, 7, 6]] @ rotation + np.array([3.0, -1.0, 2.0])
    assert np.abs(describe(turned) - features).max() < 1e-6 * scale
    cap_moved = describe(positions[:, [0, 2, 1, 3, 4, 5, 6, 7]])
    assert np.abs(cap_moved - features).max() > 0.05 * scale


def test_the_features_of_a_frame_do_not_depend_on_others(describe: Describe, pool: Pool) -> None:
    """To the last digit, so that the result does not depend on the size of the blocks."""
    features = describe(pool.positions[:300])
    np.testing.assert_array_equal(describe(pool.positions[256:300]), features[256:])
    np.testing.assert_array_equal(describe(pool.positions[7:8]), features[7:8])
    assert describe(pool.positions[:0]).shape == (0, features.shape[1])


def test_lengths_are_roughly_those_of_the_distances(describe: Describe, methyl_water: NMer, pool: Pool) -> None:
    spreads = [
        np.sqrt(np.sum(np.var(f, axis=0)))
        for f in (describe(pool.positions[:300]), weighted_distances(methyl_water, pool.positions[:300], SETTINGS))
    ]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.02)
    near = np.linalg.norm(describe(pool.positions[:1] + 1e-3) - describe(pool.positions[:1]))
    assert near < 1e-5, "moved as a whole"


def test_soap_selects_exactly_and_covers_its_own_space(methyl_water: NMer, pool: Pool) -> None:
    pytest.importorskip("dscribe", reason="pip install 'nmer[soap]'")
    choice = select(methyl_water, pool, SETTINGS)
    assert len(set(choice.selection.frame)) == 70
    assert choice.coverage["rms"] < 0.95 * choice.random["rms"]
    plain = select(methyl_water, pool, SelectionSettings(train=60, test=10))
    assert set(plain.selection.frame) != set(choice.selection.frame)


def test_a_missing_library_is_named_with_the_way_to_install_it(
    methyl_water: NMer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Need, "found", lambda need: need.name != "dscribe")
    message = r"'soap' needs .*dscribe, which is not installed: pip install 'nmer\[soap\]'"
    with pytest.raises(InputError, match=message):
        select(methyl_water, pool, SETTINGS)
    with pytest.raises(InputError, match=message):
        checked_descriptor(SETTINGS)
    assert checked_descriptor(SelectionSettings()).name == "sorted-distances"


def test_weights_that_soap_does_not_support_are_refused(methyl_water: NMer, pool: Pool) -> None:
    settings = SETTINGS.model_copy(update={"intermolecular_weight": 2.0})
    with pytest.raises(InputError, match="only descriptor 'sorted-distances' supports"):
        select(methyl_water, pool, settings)
