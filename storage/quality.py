"""A potential's quality in a few words, from what its store holds."""

from __future__ import annotations

import tomllib
from contextlib import suppress

from pydantic import ValidationError

from potentials.errors import InputError
from recipes.schema.labelling import Labelling
from storage.version import Version

LABELS = "labels "
"""Begin of the phrase on the level of the labels."""


def remarks(verdict: Version | None, dataset: Version | None) -> tuple[str, ...]:
    """Return phrases on a potential: its RMSDs, and the level of theory of its labels.

    Parameters
    ----------
    verdict
        The newest validation of the potential.
    dataset
        What it was fitted to.
    """
    found = []
    with suppress(InputError, KeyError):  # a damaged file is no reason to refuse the potential
        if verdict is not None:
            facts = verdict.attributes()["facts"]
            train, test = (float(facts[name]["rmsd"]) for name in ("train", "test"))
            found.append(f"RMSD {train:.3g} (training), {test:.3g} (test) kcal/mol")
    with suppress(InputError, KeyError, ValidationError, tomllib.TOMLDecodeError):  # data from files have no level
        if dataset is not None:
            section = tomllib.loads(dataset.attributes()["recipe"])["labelling"]
            found.append(f"{LABELS}{Labelling.model_validate(section).level}")
    return tuple(found)
