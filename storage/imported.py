"""Labelled configurations of other programs as datasets: the n-mer they describe, and their version in a store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError
from potentials.nmers.symmetry import parse_symmetry
from recipes.load import section_toml
from recipes.schema.recipe import FragmentModel, NMerModel
from storage.configuration import configuration_ids
from storage.contents import dataset_columns
from storage.keys import digest
from storage.records import TEST, TRAIN, Dataset
from storage.store import Store
from storage.version import Version, package_versions
from storage.xyz import Labelled


def nmer_of(labelled: Labelled, symmetry: str, charges: Sequence[int] = ()) -> NMerModel:
    """Return the n-mer whose atoms a symmetry string describes.

    Parameters
    ----------
    labelled
        Configurations; the one with the lowest energy gives the geometry.
    symmetry
        Letters with counts in the order of the file's atoms, fragments joined by ``_``: ``A1B4_C1D2``.
    charges
        Charge of each fragment, e; none given: all neutral.

    Raises
    ------
    InputError
        If the symmetry is not readable or does not fit the atoms.
    """
    blocks = parse_symmetry(symmetry)
    counts = [sum(count for _, count in block) for block in blocks]
    if sum(counts) != len(labelled.symbols):
        raise InputError(
            f"symmetry '{symmetry}' describes {sum(counts)} atoms; the file's configurations have "
            f"{len(labelled.symbols)}: {' '.join(labelled.symbols)}"
        )
    if len(counts) > 3:
        raise InputError(f"symmetry '{symmetry}' has {len(counts)} fragments; allowed: 1 to 3")
    if charges and len(charges) != len(counts):
        raise InputError(f"{len(charges)} charges are given for {len(counts)} fragments")
    geometry = labelled.positions[int(np.argmin(labelled.energy))]
    fragments, start = [], 0
    for number, count in enumerate(counts):
        symbols, places = labelled.symbols[start : start + count], geometry[start : start + count]
        start += count
        lines = [f"{s} {x:.8f} {y:.8f} {z:.8f}" for s, (x, y, z) in zip(symbols, places, strict=True)]
        fragments.append(
            FragmentModel(
                name=_formula(symbols),
                geometry="\n".join(lines),
                bonds=(),
                charge=charges[number] if charges else 0,
            )
        )
    model = NMerModel.model_construct(symmetry=symmetry, fragments=tuple(fragments))
    model.build("")  # raises InputError if the symmetry gives one letter to two elements
    return model


def import_dataset(
    store: Store, name: str, nmer: NMerModel, train: Labelled, test: Labelled | None, sources: Sequence[Path]
) -> Version:
    """Add labelled configurations to a store as a version of a dataset; the same data make one version only.

    Parameters
    ----------
    store
        The store, whose writer lock the caller holds.
    name
        Name of the n-mer.
    nmer
        Its definition.
    train, test
        Training and test configurations.
    sources
        The files they come from.

    Raises
    ------
    InputError
        If the test configurations have other atoms.
    """
    if test is not None and test.symbols != train.symbols:
        raise InputError(f"the test set has the atoms {' '.join(test.symbols)}, not {' '.join(train.symbols)}")
    parts = [train] if test is None else [train, test]
    positions = np.concatenate([part.positions for part in parts])
    energy = np.concatenate([part.energy for part in parts])
    split = np.concatenate(
        [np.full(len(p), s, dtype=np.int64) for p, s in zip(parts, (TRAIN, TEST), strict=False)]
    )
    unknown = np.full(len(energy), np.nan)
    dataset = Dataset(
        positions=positions,
        split=split,
        energy=energy,
        sub_energies=np.empty((len(energy), 0)),
        sub_names=(),
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=tuple(configuration_ids(nmer.build(name), positions)),
        d1=unknown,
    )
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    return store.add(
        "dataset",
        name,
        imported_key((positions, energy, split), nmer),
        columns=dataset_columns(dataset, imported=True),
        recipe=section_toml({"nmer": nmer}),
        inputs=[],
        engines=package_versions("nmer", "numpy"),
        facts={
            "imported": files,
            "train": int((split == TRAIN).sum()),
            "test": int((split == TEST).sum()),
            "nmer": nmer.model_dump(mode="json"),
            "read": [part.reading.as_dict() for part in parts],
        },
    )


def imported_key(arrays: Iterable[NDArray[Any]], nmer: NMerModel) -> str:
    """Return the key of an imported dataset, from its positions, energies, and split."""
    content = [hashlib.sha256(array.tobytes().hex().encode()).hexdigest() for array in arrays]
    return digest({"imported": content, "nmer": nmer.content()})


def _formula(symbols: Sequence[str]) -> str:
    """Return a name such as CH4: each element once, with its count."""
    counts = {symbol: symbols.count(symbol) for symbol in dict.fromkeys(symbols)}
    return "".join(symbol + (str(count) if count > 1 else "") for symbol, count in counts.items())
