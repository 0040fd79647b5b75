"""Checks of the links between versions: inputs, frames, labels, predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.load import recipe_of_text
from storage.attributes import FOLDERS
from storage.configuration import configuration_ids
from storage.contents import PoolFile, nmer_model, potential_from_version
from storage.ledger import Ledger
from storage.level_facts import labelling_of
from storage.records import TEST, TRAIN
from storage.store import Store
from storage.turns import temperatures_of
from storage.verify.versions import Damage
from storage.version import Version
from storage.xyz import UNITS

Factors = Callable[[NMer, bool], Mapping[str, int]]
"""n-mer, counterpoise -> factor of each sub-calculation's energy in the n-body energy."""

Slopes = Callable[[NMer, bool, Ledger, str, Sequence[str], Floats], Floats]
"""n-mer, counterpoise, ledger, protocol id, ids and positions (configurations, atoms, 3) -> gradients of
the n-body energies from the ledger's of the sub-calculations, kcal/mol/Angstrom; nan where it has none."""

Found = Iterator[tuple[str | None, str]]
"""What is damaged in a file and the problem; None and what could not be compared."""

Recomputed = Callable[[Store, Version], Found]
"""Computes the energies of a trajectory again."""


def not_recomputed(store: Store, version: Version) -> Found:
    """Compute nothing again."""
    return iter(())


SAME_GRADIENT = 1e-8
"""The same for gradients, kcal/mol/Angstrom: they are sums of the ledger's own numbers."""

SAME_ENERGY = 1e-6
"""Energies (kcal/mol) computed twice from the same numbers agree within this on any machine."""

BLOCK = 65_536
"""Frames of a pool read at once."""


@dataclass(frozen=True)
class Links:
    """Checks of versions against others of the store.

    Attributes
    ----------
    store
        The store.
    versions
        Those versions whose own file is sound.
    ledger
        The ledger, or None if it cannot be read.
    factors
        How energies of sub-calculations make up an n-body energy.
    recomputed
        Computes energies of a trajectory again.
    slopes
        Computes gradients of n-body energies from the ledger again; None: they are not.
    """

    store: Store
    versions: Sequence[Version]
    ledger: Ledger | None
    factors: Factors
    recomputed: Recomputed = not_recomputed
    slopes: Slopes | None = None

    def check(self, version: Version) -> tuple[list[Damage], list[str]]:
        """Return what is wrong between a sound version and what it was made from, and what was not compared."""
        file = str(version.path.relative_to(self.store.path))
        damages: list[Damage] = []
        notes: list[str] = []
        inputs: dict[str, Version] = {}
        for made_from in version.attributes()["inputs"]:
            below = self._below(made_from)
            if below is not None:
                inputs.setdefault(below.kind, below)
                if made_from["ref"] != below.ref:
                    said = f"{made_from['ref']} is named, and its key is that of {below.ref}"
                    damages.append(Damage(file, "inputs", said))
            elif made_from["kind"] == "pool" and not named_file(self.store.path, made_from).exists():
                notes.append(f"{file}: not compared with its pool, which is not here; a bundle may leave it out")
            elif not self._has_file(made_from):
                said = f"{made_from['ref']} with key {made_from['key'][:12]} is not in the store"
                damages.append(Damage(file, "inputs", said))
        checks: dict[str, Callable[[Version, Mapping[str, Version]], Found]] = {
            "selection": self._selection,
            "dataset": self._dataset,
            "validation": self._validation,
            "trajectory": lambda one, inputs: self.recomputed(self.store, one),
        }
        for what, problem in checks[version.kind](version, inputs) if version.kind in checks else ():
            if what is None:
                notes.append(f"{file}: {problem}")
            else:
                damages.append(Damage(file, what, problem))
        return damages, notes

    def _has_file(self, made_from: Mapping[str, str]) -> bool:
        """Return whether the file an input names is there; if it is, its own check reports any damage."""
        path = named_file(self.store.path, made_from)
        return path.is_file() and path not in {v.path for v in self.versions}

    def _below(self, made_from: Mapping[str, str]) -> Version | None:
        """Return the sound version that an input means; n-mers of two names may have versions of one key."""
        found = [v for v in self.versions if (v.kind, v.key) == (made_from["kind"], made_from["key"])]
        return next((v for v in found if v.ref == made_from["ref"]), found[0] if found else None)

    def _selection(self, version: Version, inputs: Mapping[str, Version]) -> Found:
        if "pool" not in inputs:
            return
        positions, frame, pool = version.column("positions"), version.column("frame"), PoolFile(inputs["pool"])
        own = -1 if temperatures_of(version) is not None else 0  # -1: of a simulation with the potentials
        if len(frame) and (frame.min() < own or frame.max() >= len(pool)):
            yield "frame", f"names a frame that {inputs['pool'].ref} does not have"
            return
        wrong = 0
        for start in range(0, len(pool), BLOCK):
            here = (frame >= start) & (frame < start + BLOCK)
            if here.any():
                block = pool.rows("positions", start, start + BLOCK)
                wrong += int((block[frame[here] - start] != positions[here]).any(axis=(1, 2)).sum())
        if wrong:
            yield "positions", f"{wrong} of {len(frame)} are not those of their frame in {inputs['pool'].ref}"

    def _dataset(self, version: Version, inputs: Mapping[str, Version]) -> Found:
        attributes = version.attributes()
        if "imported" in attributes["facts"]:
            return
        ids = [str(i) for i in version.column("ids")]
        if "selection" in inputs:
            nmer = nmer_model(attributes).build(version.nmer)
            selected = configuration_ids(nmer, inputs["selection"].column("positions"))
            foreign = len(set(ids) - set(selected))
            if foreign:
                yield "ids", f"{foreign} of {len(ids)} are not in {inputs['selection'].ref}"
        yield from self._sums(version, attributes)
        yield from self._labels(version, attributes["facts"], ids)
        if version.has_column("gradient"):
            yield from self._gradients(version, attributes, ids)

    def _sums(self, version: Version, attributes: Mapping[str, Any]) -> Found:
        """Yield what is wrong with the n-body energies, which follow from those of the sub-calculations."""
        recipe = recipe_of_text(attributes["recipe"])
        labelling = labelling_of(attributes["facts"], recipe)
        factors = self.factors(recipe.build_nmer(), labelling.counterpoise)
        names = [str(name) for name in version.column("sub_names")]
        if set(names) != set(factors):
            yield "sub_names", f"are {', '.join(names)}; the recipe's labels have {', '.join(factors)}"
            return
        reference = float(attributes["facts"].get("reference_hartree", 0.0))
        energy = UNITS["hartree"] * (version.column("sub_energies") @ [factors[n] for n in names] - reference)
        wrong = np.flatnonzero(np.abs(energy - version.column("energy")) > SAME_ENERGY)
        if len(wrong):
            said = f"{len(wrong)} of {len(energy)} are not the sum of sub_energies (first: row {wrong[0]})"
            yield "energy", said

    def _labels(self, version: Version, facts: Mapping[str, Any], ids: list[str]) -> Found:
        """Compare a dataset with the ledger, bit for bit."""
        if self.ledger is None:
            yield None, "not compared with the ledger, which cannot be read"
            return
        names = [str(name) for name in version.column("sub_names")]
        known = self.ledger.arrays(ids, str(facts["protocol_id"]), names)
        missing = np.isnan(known.energies).any(axis=1)
        if missing.all():
            yield None, "not compared with the ledger, which has none of its labels"
            return
        if missing.any():
            first = ids[int(missing.argmax())]
            yield "ids", f"{missing.sum()} of {len(ids)} labels are not in the ledger (first: {first})"
        pairs = {"sub_energies": known.energies, "t1": known.t1, "t2": known.t2, "d1": known.d1}
        for name, values in pairs.items():
            if version.has_column(name) and not np.array_equal(
                version.column(name)[~missing], values[~missing], equal_nan=True
            ):
                yield name, "is not what the ledger has for the same labels"

    def _gradients(self, version: Version, attributes: Mapping[str, Any], ids: list[str]) -> Found:
        """Compare a dataset's gradients with those that the ledger's sub-calculations give by the chain rule."""
        if self.ledger is None or self.slopes is None:
            yield None, "its gradients were not computed again"
            return
        recipe, facts = recipe_of_text(attributes["recipe"]), attributes["facts"]
        counterpoise, protocol = labelling_of(facts, recipe).counterpoise, str(facts["protocol_id"])
        positions, kept = version.column("positions"), version.column("gradient")
        again = self.slopes(recipe.build_nmer(), counterpoise, self.ledger, protocol, ids, positions)
        missing = np.isnan(again).any(axis=(1, 2))
        if missing.any():
            yield None, f"{missing.sum()} of {len(ids)} gradients were not computed again: the ledger lacks them"
        off = np.abs(again - kept)[~missing].max(axis=(1, 2), initial=0.0)
        if wrong := int((off > SAME_GRADIENT).sum()):
            yield "gradient", f"{wrong} of {len(off)} are not those of the ledger's sub-calculations"

    def _validation(self, version: Version, inputs: Mapping[str, Version]) -> Found:
        if not {"potential", "dataset"} <= set(inputs):
            return
        dataset, facts = inputs["dataset"], version.attributes()["facts"]
        model = potential_from_version(inputs["potential"], "candidate")
        predicted, energy = version.column("predicted"), dataset.column("energy")
        if len(predicted) != len(energy):
            yield "predicted", f"has {len(predicted)} energies; {dataset.ref} has {len(energy)}"
            return
        again = np.asarray(model.energy(dataset.column("positions")))
        far = np.abs(again - predicted) > SAME_ENERGY * np.maximum(1.0, np.abs(predicted))
        if far.any():
            yield "predicted", f"{far.sum()} of {len(far)} are not what {inputs['potential'].ref} gives now"
        for name, part in (("train", TRAIN), ("test", TEST)):
            error = (predicted - energy)[dataset.column("split") == part]
            rmsd = facts.get(name, {}).get("rmsd")
            if rmsd is not None and not np.isclose(np.sqrt(np.mean(error**2)), rmsd, rtol=1e-6, atol=1e-9):
                yield "facts", f"the RMSD on the {name} set, {rmsd:g}, is not that of predicted"
        if facts.get("passed") is not all(gate["passed"] for gate in facts.get("gates", ())):
            yield "facts", "the verdict is not that of the gates"


def named_file(store: Path, made_from: Mapping[str, str]) -> Path:
    """Return the file that the ``kind`` and ``ref`` of an input name."""
    nmer, _, number = made_from["ref"].rpartition(":")[2].partition("@")
    return store / FOLDERS.get(made_from["kind"], made_from["kind"]) / nmer / f"{number}.h5"
