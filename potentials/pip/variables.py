"""The variables of a PIP: functions of distances, with their derivatives.

Their forms have the names of MB-Fit:

==========  =======================  ==========================================
``exp``     exp(-k R)                Morse, the default
``exp0``    exp(-k (R - d))          Morse, shifted
``coul``    exp(-k R) / R            screened Coulomb
``coul0``   exp(-k (R - d)) / R      screened Coulomb, shifted
``gau``     exp(-k R^2)              Gaussian, k in 1/Angstrom^2
``gau0``    exp(-k (R - d)^2)        Gaussian, shifted, k in 1/Angstrom^2
==========  =======================  ==========================================

Each kind of distance, a pair of symmetry letters within or between fragments, has its own k, and its own d if its
form has one. In ``exp0`` and ``coul0`` d only scales the variable: with the ridge it limits the coefficients,
without a ridge it has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError
from potentials.pip.points import Points
from potentials.pip.sites import Sites

FORMS = ("exp", "exp0", "coul", "coul0", "gau", "gau0")
"""Names of the forms; see the table above."""


@dataclass(frozen=True)
class Forms:
    """The form of the variables within fragments and between them.

    Raises
    ------
    InputError
        If a form is unknown.
    """

    intra: str = "exp"
    inter: str = "exp"

    def __post_init__(self) -> None:
        for form in (self.intra, self.inter):
            if form not in FORMS:
                raise InputError(f"form '{form}' of a variable is unknown; allowed: {', '.join(FORMS)}")


@dataclass(frozen=True, eq=False)
class Variables:
    """The distances that are variables, the kind of each, and the form of each kind.

    The parameters of the functions below are one array: the k of each kind, then the d of each kind that has one.

    Attributes
    ----------
    pairs
        (variables, 2), the two points of each distance: atoms, then virtual sites.
    kind
        (variables,), which non-linear parameters it uses.
    fragments
        (variables, 2), the fragments of the two points.
    bodies
        Number of the n-mer's fragments, those without a variable included.
    names
        Name of each kind, for example ``A-B intra``.
    forms
        Form of each kind.
    sites
        The virtual sites.
    """

    pairs: Ints
    kind: Ints
    fragments: Ints
    bodies: int
    names: tuple[str, ...]
    forms: tuple[str, ...]
    sites: Sites

    @classmethod
    def of(cls, points: Points, forms: Forms = Forms()) -> Variables:
        """Return all distances except those of a site within its fragment, which the atoms determine."""
        pairs = np.array(list(combinations(range(len(points)), 2)), dtype=np.int64).reshape(-1, 2)
        fragments = points.fragment[pairs]
        inter = fragments[:, 0] != fragments[:, 1]
        useful = inter | (pairs < points.natoms).all(axis=1)
        pairs, fragments, inter = pairs[useful], fragments[useful], inter[useful]
        labels = [
            f"{'-'.join(sorted((points.letters[i], points.letters[j])))} {'inter' if between else 'intra'}"
            for (i, j), between in zip(pairs, inter, strict=True)
        ]
        names = tuple(dict.fromkeys(labels))
        kind = np.array([names.index(label) for label in labels], dtype=np.int64)
        form = tuple(forms.inter if name.endswith("inter") else forms.intra for name in names)
        return cls(pairs, kind, fragments, int(points.fragment.max()) + 1, names, form, points.sites)

    def only(self, kept: Bools) -> Variables:
        """Return some of the variables, without the kinds of which none is left."""
        left, kind = np.unique(self.kind[kept], return_inverse=True)
        names, forms = (tuple(of[n] for n in left) for of in (self.names, self.forms))
        return replace(
            self,
            pairs=self.pairs[kept],
            kind=kind.astype(np.int64),
            fragments=self.fragments[kept],
            names=names,
            forms=forms,
        )

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def intermolecular(self) -> Bools:
        """(variables,), whether the points belong to different fragments."""
        return np.asarray(self.fragments[:, 0] != self.fragments[:, 1])

    @cached_property
    def shifted(self) -> Ints:
        """The kinds that have a d."""
        return np.array([n for n, form in enumerate(self.forms) if form.endswith("0")], dtype=np.int64)

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """A name for each parameter: that of the kind for its k, followed by ``d`` for its d."""
        return (*self.names, *(f"{self.names[n]} d" for n in self.shifted))

    @cached_property
    def flags(self) -> Ints:
        """(variables, 2): whether each is Gaussian, and whether it is divided by the distance."""
        flags = [(form.startswith("gau"), form.startswith("coul")) for form in self.forms]
        return np.array(flags, dtype=np.int64).reshape(-1, 2)[self.kind]

    @cached_property
    def _special(self) -> tuple[Ints, Ints]:
        """The variables that are Gaussian, and those that are divided by the distance."""
        gaussian, divided = self.flags.T
        return np.flatnonzero(gaussian), np.flatnonzero(divided)

    def spread(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the k and the d of each variable, (variables,) each; a d is 0 where the form has none."""
        kinds = len(self.names)
        d = np.zeros(kinds)
        d[self.shifted] = parameters[kinds:]
        return np.asarray(parameters, dtype=np.float64)[:kinds][self.kind], d[self.kind]

    def distances(self, positions: Floats) -> Floats:
        """Return the distances.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.

        Returns
        -------
        (n, variables), Angstrom.
        """
        found = np.empty((len(positions), len(self)))
        _distances(self.sites.points(positions), self.pairs, found)
        return found

    def values(self, parameters: Floats, distances: Floats) -> Floats:
        """Return the variables x, (n, variables).

        Parameters
        ----------
        parameters
            (parameters,), k and d.
        distances
            (n, variables), Angstrom.
        """
        k, d = self.spread(parameters)
        gaussian, divided = self._special
        u = distances - d
        if len(gaussian):
            u[:, gaussian] *= u[:, gaussian]
        u *= -k
        x = np.exp(u, out=u)
        if len(divided):
            x[:, divided] /= distances[:, divided]
        return x

    def slopes(self, parameters: Floats, distances: Floats, x: Floats) -> Floats:
        """Return dx/dR, (n, variables), from what `values` returned."""
        k, d = self.spread(parameters)
        gaussian, divided = self._special
        factor = np.broadcast_to(-k, x.shape).copy()
        factor[:, gaussian] *= 2.0 * (distances - d)[:, gaussian]
        factor[:, divided] -= 1.0 / distances[:, divided]
        factor *= x
        return factor

    def parameter_slopes(self, parameters: Floats, distances: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Return dx/dk and dx/dd, (n, variables) each, where k and d are those of the variable's kind."""
        k, d = self.spread(parameters)
        gaussian = self._special[0]
        u = distances - d
        by_d = np.broadcast_to(k, x.shape).copy()
        by_d[:, gaussian] *= 2.0 * u[:, gaussian]
        u[:, gaussian] *= u[:, gaussian]
        return -u * x, by_d * x

    def parameter_gradient(self, parameters: Floats, distances: Floats, x: Floats, pull: Floats) -> Floats:
        """Return the derivative with respect to the parameters of a sum over configurations.

        Parameters
        ----------
        pull
            (n, variables), the derivative of the sum with respect to each x.

        Returns
        -------
        (parameters,).
        """
        by_k, by_d = self.parameter_slopes(parameters, distances, x)
        kinds = len(self.names)
        k = np.bincount(self.kind, np.einsum("nv,nv->v", pull, by_k), minlength=kinds)
        if not len(self.shifted):
            return np.asarray(k, dtype=np.float64)
        d = np.bincount(self.kind, np.einsum("nv,nv->v", pull, by_d), minlength=kinds)
        return np.concatenate([k, d[self.shifted]])

    def cartesian(self, positions: Floats, distances: Floats, slopes: Floats) -> Floats:
        """Return the Cartesian gradient of a function of the distances.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.
        distances
            (n, variables), Angstrom, none of them zero.
        slopes
            (n, variables), its derivatives with respect to the distances.

        Returns
        -------
        (n, atoms, 3), per Angstrom.
        """
        points = self.sites.points(positions)
        gradient = np.zeros(points.shape)
        _add_along_distances(points, self.pairs, slopes / distances, gradient)
        return self.sites.on_atoms(points, gradient)

    def jacobian(self, parameters: Floats, positions: Floats) -> Floats:
        """Return the derivative of each variable by each coordinate, (n, atoms, 3, variables), 1/Angstrom."""
        points, distances = self.sites.points(positions), self.distances(positions)
        pull = self.slopes(parameters, distances, self.values(parameters, distances)) / distances
        n, (first, second), each = len(points), self.pairs.T, np.arange(len(self))
        arrow = (points[:, first] - points[:, second]) * pull[:, :, None]  # dx/dX of the first point
        chain = np.zeros((n, len(self), points.shape[1], 3))
        chain[:, each, first] = arrow
        chain[:, each, second] = -arrow
        if len(self.sites.atoms):  # the chain rule, one variable at a time
            repeated = np.repeat(points, len(self), axis=0)
            chain = self.sites.on_atoms(repeated, chain.reshape(repeated.shape)).reshape(n, len(self), -1, 3)
        return np.ascontiguousarray(chain.transpose(0, 2, 3, 1))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _distances(points: Floats, pairs: Ints, distances: Floats) -> None:
    for n in range(points.shape[0]):
        for v in range(pairs.shape[0]):
            i, j = pairs[v, 0], pairs[v, 1]
            dx = points[n, i, 0] - points[n, j, 0]
            dy = points[n, i, 1] - points[n, j, 1]
            dz = points[n, i, 2] - points[n, j, 2]
            distances[n, v] = np.sqrt(dx * dx + dy * dy + dz * dz)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_along_distances(points: Floats, pairs: Ints, pull: Floats, gradient: Floats) -> None:
    for n in range(points.shape[0]):
        for v in range(pairs.shape[0]):
            i, j = pairs[v, 0], pairs[v, 1]
            for axis in range(3):
                part = pull[n, v] * (points[n, i, axis] - points[n, j, axis])
                gradient[n, i, axis] += part
                gradient[n, j, axis] -= part
