"""A small store with a whole family: pool, selection, dataset with its labels, potential, and verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from potentials.units import HARTREE
from recipes.load import expanded_toml, load_recipe
from storage.configuration import configuration_ids
from storage.contents import (
    dataset_columns,
    pool_columns,
    potential_columns,
    potential_facts,
    selection_columns,
)
from storage.durable import write_text
from storage.ledger import Ledger
from storage.records import TEST, TRAIN, Dataset, Pool, Selection
from storage.store import Store
from storage.version import Column, Version

RECIPE = load_recipe("ch3-water", "smoke")
NMER = RECIPE.build_nmer()
PARTS = ("AB", "A in AB", "B in AB")
PROTOCOL = "f" * 64


def small_family(folder: Path, name: str = "toy", seed: int = 1, before: int = 0) -> Store:
    """Make a store, or add to one, whose numbers mean nothing; the same seed gives the same keys.

    Parameters
    ----------
    folder
        Of the store.
    name
        Of the n-mer.
    seed
        Of the numbers.
    before
        So many other pools are added first, so that numbers differ.
    """
    rng = np.random.default_rng(seed)
    positions = NMER.positions + rng.normal(scale=0.05, size=(5, NMER.natoms, 3))
    sub = rng.normal(size=(5, 3)) - (116.8, 40.4, 76.4)
    unknown, split = np.full(5, np.nan), np.array([TRAIN] * 4 + [TEST])
    ids = configuration_ids(NMER, positions)
    pool = Pool(
        positions=positions,
        temperature=np.full(5, 300.0),
        window=np.zeros(5, dtype=np.int64),
        seed=np.zeros(5, dtype=np.int64),
        energy=rng.normal(size=5),
        com_distance=np.full(5, 3.6),
        cvs=rng.normal(size=(5, 1)),
        cv_names=("d",),
        source=np.zeros(5, dtype=np.int64),
        sources=("pbmetad ff14SB",),
    )
    dataset = Dataset(
        positions=positions[:4],
        split=np.array([TRAIN, TRAIN, TRAIN, TEST]),
        energy=(sub[:4, 0] - sub[:4, 1] - sub[:4, 2]) * HARTREE,
        sub_energies=sub[:4],
        sub_names=PARTS,
        t1=unknown[:4],
        t2=unknown[:4],
        cpu_seconds=np.ones(4),
        ids=ids[:4],
        d1=unknown[:4],
    )
    basis = Basis.build(NMER, 2, "intermolecular")
    potential = Potential(
        NMER,
        2,
        "intermolecular",
        rng.uniform(0.3, 1.5, len(basis.pair_names)),
        rng.normal(size=basis.n_terms),
        Switching((0, 5), 5.0, 7.0),
        ensemble=rng.normal(size=(3, basis.n_terms)),
    )
    store = Store(folder, create=True)
    recipe = expanded_toml(RECIPE.model_copy(update={"name": name}))

    def add(
        kind: str, key: str, columns: dict[str, Column], inputs: list[Version], facts: dict[str, Any]
    ) -> Version:
        engines = {"nmer": "0", **({"lammps": "2025"} if kind == "pool" else {})}
        return store.add(
            kind, name, key, columns=columns, recipe=recipe, inputs=inputs, engines=engines, facts=facts
        )

    with store.writing():
        for number in range(before):
            add("pool", f"{number:064d}", pool_columns(pool), [], {})
        keys = [f"{kind}{seed:x}".encode().hex().ljust(64, "0") for kind in ("p", "s", "d", "f", "v")]
        frames = add("pool", keys[0], pool_columns(pool), [], {"frames": 5})
        chosen = selection_columns(Selection(positions, split, np.arange(5)))
        picked = add("selection", keys[1], chosen, [frames], {})
        labelled = add("dataset", keys[2], dataset_columns(dataset), [picked], {"protocol_id": PROTOCOL})
        facts = potential_facts(potential, RECIPE.nmer)
        fitted = add("potential", keys[3], potential_columns(potential), [labelled], facts)
        write_text(store.report(fitted) / "report.html", f"<p>{fitted.ref}</p>")
        predicted = Column(np.asarray(potential.energy(positions[:4])), "kcal/mol", "predicted", "the potential")
        add("validation", keys[4], {"predicted": predicted}, [fitted, labelled], {"passed": True})
        _label(store, ids, sub)
    return store


def _label(store: Store, ids: tuple[str, ...], energies: Floats) -> None:
    with Ledger.open(store.labels) as ledger:
        ledger.record_protocol(PROTOCOL, {"labelling": {"method": "HF"}, "versions": {"pyscf": "2"}})
        ledger.add(
            {
                "configuration": ids[c],
                "protocol": PROTOCOL,
                "part": part,
                "status": "ok",
                "energy": float(energies[c, p]),
                "cpu_seconds": 1.5,
                "finished": 10.0 + c,
                "system": "CH4-H2O",
                "note": "kept",
                "details": {"electrons": 20, "scf_converged": 1, "more": [1, 2]},
            }
            for c in range(4)
            for p, part in enumerate(PARTS)
        )
        failed = {"configuration": ids[4], "protocol": PROTOCOL, "part": "AB", "status": "timeout"}
        ledger.add([failed | {"reason": "too slow", "finished": 20.0}])
    write_text(store.labels / "references" / PROTOCOL[:16] / f"{'a' * 16}.json", '{"energy": -1.0}')
