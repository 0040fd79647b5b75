"""Gates see every temperature, window and the switching; potentials with planted defects do not pass them.

Each planted potential is a real one whose kernel is wrong in one place, and the first rows of the data do not
tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from recipes.schema.gates import GATES
from tasks.metrics import errors
from tasks.validation.gates.gradient import gradient_error
from tasks.validation.gates.interface import Candidate
from tasks.validation.gates.motion import motion_error
from tasks.validation.gates.permutation import exchanges, permutation_error
from tasks.validation.gates.probes import EDGE, OF_EACH, SHELL, choose_probes, switching_shell
from tests.tasks.fitting.surfaces import walkers

METHYL_WATER = load_recipe("ch3-water").build_nmer()
WATER = METHYL_WATER.fragments[1]
ION = Fragment("K+", ("K",), ((0.0, 0.0, 0.0),), (), (), 1)
PAIR = NMer("water-water", (WATER, WATER))
TRIPLE = NMer("k-water-water", (ION, WATER, WATER))
THREE = NMer("three", (WATER,) * 3)
DATA, GROUPS = walkers(60, 3)
FINE = errors(np.zeros(3), np.full(3, 0.1))
MEASURED = ("permutation", "motion", "gradient")
"""The gates that are tested here, in the order of the report."""

FIRST = 20
"""What gates looked at before: so many of the first rows."""


def verdict(potential: Potential, positions: np.ndarray, groups: np.ndarray | None = None) -> dict[str, float]:
    """Return those of `MEASURED` that a potential does not pass, with what they measured."""
    candidate = Candidate(potential, FINE, FINE, 1.0, positions, groups)
    found = {name: GATES.get(name).measure(candidate) for name in MEASURED}
    return {name: value for name, value in found.items() if not value <= GATES.get(name).limit}


def build(
    nmer: NMer, switching: Switching | None = None, kind: type[Potential] = Potential, degree: int = 2
) -> Potential:
    """Return a potential with random coefficients and k = 0.9."""
    basis = Basis.build(nmer, degree, "intermolecular")
    coefficients = np.random.default_rng(1).normal(size=basis.n_terms)
    return kind(nmer, degree, "intermolecular", np.full(len(basis.pair_names), 0.9), coefficients, switching)


def clusters(nmer: NMer, count: int, seed: int, spread: float = 0.1) -> np.ndarray:
    """Return n-mers of turned bodies about 3 Angstrom apart."""
    rng = np.random.default_rng(seed)
    positions = np.empty((count, nmer.natoms, 3))
    corners = 3.2 * np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.8, 0.2]])
    for n in range(count):
        for number, part in enumerate(nmer.slices):
            turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            places = np.array(nmer.fragments[number].positions)
            positions[n, part] = (places - places.mean(axis=0)) @ turn.T + corners[number]
    return positions + rng.normal(scale=spread, size=positions.shape)


@dataclass(frozen=True)
class WrongSlope(Switching):
    """A switching whose derivative is wrong where its factor is below a bound."""

    times: float = 0.0
    below: float = 1.0

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor, gradient = super().evaluate(positions)
        wrong = np.where(factor < self.below, self.times, 1.0)
        return factor, gradient * wrong.reshape(-1, *[1] * (gradient.ndim - 1))


@pytest.mark.parametrize("times", [0.0, -1.0, 0.99, 2.0])
@pytest.mark.parametrize("below", [1.0, 0.2])
@pytest.mark.parametrize("radii", [(8.0, 10.0), (9.0, 9.1)])
def test_a_wrong_derivative_of_the_switching_is_caught(
    times: float, below: float, radii: tuple[float, float]
) -> None:
    """Also where no configuration is in the shell, which then is made by moving bodies apart."""
    near = DATA[GROUPS[:, 1] < 2]
    assert np.linalg.norm(near[:, 0] - near[:, 5], axis=1).max() < radii[0]
    planted = build(METHYL_WATER, WrongSlope((0, 5), *radii, times, below))
    sound = build(METHYL_WATER, Switching((0, 5), *radii))
    assert gradient_error(planted, near[:FIRST]) < 1e-8
    found = verdict(planted, near)
    assert list(found) == ["gradient"] and found["gradient"] > 1e-4
    assert verdict(sound, near) == {}


@dataclass(frozen=True)
class OnePairOnly(Switching):
    """Its derivative forgets all but the first pair of bodies where more than one switches."""

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor, gradient = super().evaluate(positions)
        one = Switching(self.atoms[:2], self.r_in, self.r_out).evaluate(positions)[1]
        several = (self.distances(positions) > self.r_in).sum(axis=1) > 1
        return factor, np.where(several[:, None, None], one, gradient)


@pytest.mark.parametrize(
    ("nmer", "keys"), [(TRIPLE, (0, 1, 4)), (THREE, (0, 3, 6))], ids=lambda of: getattr(of, "symmetry", "")
)
def test_a_wrong_derivative_of_a_product_over_pairs_of_bodies_is_caught(nmer: NMer, keys: tuple[int, ...]) -> None:
    near = clusters(nmer, 60, 5)
    sound = build(nmer, Switching(keys, 6.0, 8.0))
    assert sound.switching is not None and (sound.switching.evaluate(near)[0] == 1.0).all()
    shell = switching_shell(sound, near)
    assert len(shell) == SHELL
    pairs = (sound.switching.distances(shell) > 6.0).sum(axis=1)
    assert (pairs == 2).any()
    assert verdict(sound, near) == {}
    for planted in (WrongSlope(keys, 6.0, 8.0, 0.99), OnePairOnly(keys, 6.0, 8.0)):
        assert gradient_error(build(nmer, planted), near[:FIRST]) < 1e-8
        assert list(verdict(build(nmer, planted), near)) == ["gradient"]
    asymmetric = build(nmer, Switching((*keys[:2], keys[2] + 1), 6.0, 8.0))  # another atom of the last body
    assert "permutation" in verdict(asymmetric, near)


def test_a_wrong_derivative_is_caught_where_the_data_are_in_the_shell() -> None:
    planted = build(METHYL_WATER, WrongSlope((0, 5), 4.5, 7.0, 0.9))
    factor = Switching((0, 5), 4.5, 7.0).evaluate(DATA)[0]
    assert (factor[:FIRST] == 1.0).all() and ((factor > 0.1) & (factor < 0.9)).any()
    assert gradient_error(planted, DATA[:FIRST]) < 1e-8
    assert list(verdict(planted, DATA, GROUPS)) == ["gradient"]
    assert verdict(build(METHYL_WATER, Switching((0, 5), 4.5, 7.0)), DATA, GROUPS) == {}


def test_the_shell_is_filled_evenly_from_the_data_and_by_moving_bodies_apart() -> None:
    for nmer, positions in ((METHYL_WATER, DATA), (METHYL_WATER, DATA[:3]), (PAIR, clusters(PAIR, 40, 0))):
        potential = build(nmer, Switching((0, nmer.slices[1].start), 8.0, 10.0))
        shell = switching_shell(potential, positions)
        assert potential.switching is not None
        factor = potential.switching.evaluate(shell)[0]
        assert len(shell) == SHELL and ((factor > EDGE / 2) & (factor < 1 - EDGE / 2)).all()
        assert (np.histogram(factor, np.linspace(0, 1, 11))[0] == SHELL / 10).all()
        inside = [np.linalg.norm(np.diff(shell[:, part], axis=1), axis=2) for part in nmer.slices]
        assert max(lengths.max() for lengths in inside) < 3.5  # bodies move as wholes
    assert len(switching_shell(build(METHYL_WATER), DATA)) == 0
    shell = switching_shell(build(METHYL_WATER, Switching((0, 5), 3.5, 8.5)), DATA)
    mine = {place.tobytes() for place in DATA}
    assert sum(place.tobytes() in mine for place in shell) > SHELL / 2


def test_every_temperature_and_window_is_among_the_probes() -> None:
    rare = np.concatenate([DATA, DATA[-1:] + 0.01])
    groups = np.concatenate([GROUPS, [[1500.0, 7.0]]])
    probes = choose_probes(build(METHYL_WATER), rare, groups)
    where = [int(np.flatnonzero((rare == place).all(axis=(1, 2)))[0]) for place in probes]
    counts = {tuple(g): (groups[where] == g).all(axis=1).sum() for g in np.unique(groups, axis=0)}
    assert counts.pop((1500.0, 7.0)) == 1
    assert len(counts) == 9 and set(counts.values()) == {OF_EACH}
    again = choose_probes(build(METHYL_WATER), rare, groups)
    np.testing.assert_array_equal(probes, again)


class HotSlope(Potential):
    """Its gradient is wrong where a C-H bond is longer than it ever is in cold configurations."""

    def energy_and_gradient(self, positions):  # type: ignore[no-untyped-def]
        value, gradient = super().energy_and_gradient(positions)
        long = np.linalg.norm(positions[:, 2] - positions[:, 0], axis=1) > 1.35
        return value, gradient * np.where(long, 1.01, 1.0)[:, None, None]


class FarSlope(Potential):
    """Its gradient is wrong in the last window only."""

    def energy_and_gradient(self, positions):  # type: ignore[no-untyped-def]
        value, gradient = super().energy_and_gradient(positions)
        far = np.linalg.norm(positions[:, 5] - positions[:, 0], axis=1) > 6.0
        return value, gradient * np.where(far, 1.01, 1.0)[:, None, None]


@pytest.mark.parametrize("kind", [HotSlope, FarSlope])
def test_a_gradient_that_is_wrong_at_one_temperature_or_in_one_window_is_caught(kind: type[Potential]) -> None:
    planted = build(METHYL_WATER, None, kind)
    assert gradient_error(planted, DATA[:FIRST]) < 1e-8
    assert list(verdict(planted, DATA, GROUPS)) == ["gradient"]
    assert list(verdict(planted, DATA)) == ["gradient"]  # by energy alone, where no more is known


def test_an_edge_of_the_switching_is_no_error() -> None:
    """There the second derivative jumps, and differences across it are not the derivative of either side."""
    switching = Switching((0, 5), 4.0, 7.0)
    potential = build(METHYL_WATER, switching)
    positions = np.repeat(METHYL_WATER.positions[None], 40, axis=0)
    positions[:, 5:] -= positions[:1, 5:6] - positions[:1, :1]
    positions[:, 5:, 2] += np.concatenate(
        [4.0 + np.linspace(-4e-3, 4e-3, 20), 7.0 + np.linspace(-4e-3, 4e-3, 20)]
    )[:, None]
    assert gradient_error(potential, positions) < 1e-7
    assert gradient_error(build(METHYL_WATER, WrongSlope((0, 5), 4.0, 7.0, 0.9)), positions) > 1e-7


class FirstIsHigher(Potential):
    """Tells two like waters apart: a stretched O-H counts in one of them."""

    body, size = 0, 1e-3

    def energy(self, positions):  # type: ignore[no-untyped-def]
        return super().energy(positions) + self.size * self._term(positions)[0]

    def energy_and_gradient(self, positions):  # type: ignore[no-untyped-def]
        value, gradient = super().energy_and_gradient(positions)
        more, slopes = self._term(positions)
        return value + self.size * more, gradient + self.size * slopes

    def _term(self, positions):  # type: ignore[no-untyped-def]
        part = self.nmer.slices[self.body]
        arrows = positions[:, part.start + 1 : part.stop] - positions[:, part.start : part.start + 1]
        slopes = np.zeros_like(positions)
        slopes[:, part.start + 1 : part.stop] = 2 * arrows
        slopes[:, part.start] = -2 * arrows.sum(axis=1)
        return (arrows**2).sum(axis=(1, 2)), slopes


class LastIsHigher(FirstIsHigher):
    """The same of the last body."""

    body = -1


def within(nmer: NMer) -> list[np.ndarray]:
    """Exchanges of atoms within fragments: all that the gate once knew."""
    return [e for e in exchanges(nmer) if sum(e != np.arange(nmer.natoms)) == 2]


@pytest.mark.parametrize(
    ("nmer", "kind"),
    [
        (PAIR, FirstIsHigher),
        (PAIR, LastIsHigher),
        (TRIPLE, LastIsHigher),
        (THREE, FirstIsHigher),
        (THREE, LastIsHigher),
    ],
    ids=lambda of: of.symmetry if isinstance(of, NMer) else of.__name__,
)
def test_a_potential_that_tells_two_waters_apart_is_caught(nmer: NMer, kind: type[FirstIsHigher]) -> None:
    positions = clusters(nmer, 60, 1)
    planted = build(nmer, None, kind)
    before = planted.energy(positions)
    for order in within(nmer):
        assert np.abs(planted.energy(positions[:, order]) - before).max() < 1e-11
    found = verdict(planted, positions)
    assert list(found) == ["permutation"] and found["permutation"] > 1e-4
    assert verdict(build(nmer), positions) == {}


def test_letters_that_tell_two_waters_apart_are_caught_as_well() -> None:
    """A sound PIP of letters that its user chose badly: the same molecule twice, and not exchanged."""
    positions = clusters(PAIR, 60, 1)
    apart = NMer("water-water", (WATER, WATER), "A1B2_C1D2")
    assert list(verdict(build(apart), positions)) == ["permutation"]
    other = Fragment("other", WATER.symbols, WATER.positions, WATER.bonds, (), -1)
    assert verdict(build(NMer("unlike", (WATER, other), "A1B2_C1D2")), positions) == {}


def pulled(first: int, second: int) -> type[Potential]:
    """A potential that tells two atoms apart by their distances to all others."""

    class Apart(FirstIsHigher):
        size = 1e-4

        def _term(self, positions):  # type: ignore[no-untyped-def]
            value, slopes = 0.0, np.zeros_like(positions)
            for atom, sign in ((first, 1.0), (second, -1.0)):
                arrows = positions[:, atom : atom + 1] - positions
                value = value + sign * (arrows**2).sum(axis=(1, 2))
                slopes[:, atom] += 2 * sign * arrows.sum(axis=1)
                slopes -= 2 * sign * arrows
            return value, slopes

    return Apart


@pytest.mark.parametrize(("first", "second"), [(2, 3), (2, 4), (3, 4), (6, 7)])
def test_any_two_equivalent_atoms_of_a_fragment_are_exchanged(first: int, second: int) -> None:
    assert list(verdict(build(METHYL_WATER, None, pulled(first, second)), DATA, GROUPS)) == ["permutation"]


@pytest.mark.parametrize(("first", "second"), [(0, 5), (0, 1), (1, 5)])
def test_atoms_that_are_not_equivalent_are_not_exchanged(first: int, second: int) -> None:
    """An atom and its cap, atoms of two fragments: such a potential is as good as any."""
    assert verdict(build(METHYL_WATER, None, pulled(first, second)), DATA, GROUPS) == {}


def leaning(term: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> type[Potential]:
    """A potential with a further term that has an exact gradient."""

    class Leaning(Potential):
        def energy(self, positions):  # type: ignore[no-untyped-def]
            return super().energy(positions) + term(positions)[0]

        def energy_and_gradient(self, positions):  # type: ignore[no-untyped-def]
            value, gradient = super().energy_and_gradient(positions)
            return value + term(positions)[0], gradient + term(positions)[1]

    return Leaning


def field(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A uniform field along z: a shift changes the energy, and a turn does."""
    slopes = np.zeros_like(positions)
    slopes[..., 2] = 1e-5
    return 1e-5 * positions[..., 2].sum(axis=1), slopes


def stretched_along_x(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """No shift changes it, and every turn does."""
    slopes = np.zeros_like(positions)
    arrow = positions[:, 5, 0] - positions[:, 0, 0]
    slopes[:, 5, 0], slopes[:, 0, 0] = 2e-5 * arrow, -2e-5 * arrow
    return 1e-5 * arrow**2, slopes


def handed(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """No shift and no turn changes it, and a mirror does: the volume that C, O and the water's H span."""
    a, b, c = (positions[:, n] - positions[:, 0] for n in (5, 6, 7))
    slopes = np.zeros_like(positions)
    slopes[:, 5], slopes[:, 6], slopes[:, 7] = np.cross(b, c), np.cross(c, a), np.cross(a, b)
    slopes[:, 0] = -slopes.sum(axis=1)
    return 1e-5 * np.einsum("ni,ni->n", a, np.cross(b, c)), 1e-5 * slopes


@pytest.mark.parametrize("term", [field, stretched_along_x, handed])
def test_a_potential_that_knows_where_it_is_is_caught(
    term: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> None:
    planted = build(METHYL_WATER, None, leaning(term))
    found = verdict(planted, DATA, GROUPS)
    assert found["motion"] > 1e-7 and "gradient" not in found
    assert motion_error(build(METHYL_WATER), choose_probes(build(METHYL_WATER), DATA, GROUPS)) < 1e-10


class Unknown(Potential):
    """Gives no number in hot configurations."""

    def energy(self, positions):  # type: ignore[no-untyped-def]
        value = np.asarray(super().energy(positions))
        return np.where(np.linalg.norm(positions[:, 2] - positions[:, 0], axis=1) > 1.35, np.nan, value)


def test_what_is_not_a_number_does_not_pass() -> None:
    assert {"permutation", "motion", "gradient"} <= set(verdict(build(METHYL_WATER, None, Unknown), DATA, GROUPS))


def test_the_exchanges_generate_all_of_the_group() -> None:
    def closed(nmer: NMer) -> int:
        found, new = set[tuple[int, ...]](), {tuple(range(nmer.natoms))}
        while new:
            found |= new
            new = {tuple(np.array(a)[e]) for a in new for e in exchanges(nmer)} - found
        return len(found)

    assert closed(METHYL_WATER) == 6 * 2
    assert closed(PAIR) == 2 * 2 * 2
    assert closed(TRIPLE) == 2 * 2 * 2
    assert closed(THREE) == 2**3 * 6
    assert permutation_error(build(PAIR), clusters(PAIR, 20, 2)) < 1e-11
