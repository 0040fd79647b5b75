"""Every text of a recipe, fed with hostile values: refused in one sentence, or shown to be harmless.

The fields are found by walking the schema, so that one that is added later is tested as well: it must be in the
`WHOLE` recipe below, which sets every table once.
"""

from __future__ import annotations

import copy
import io
import tomllib
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit
from ruamel.yaml import YAML

from flows.deployments import Plan, of_recipe, updated_file
from potentials.errors import InputError
from recipes.load import expanded_toml, load_recipe, recipe_of_text
from recipes.schema.recipe import Recipe
from recipes.schema.section import Section
from storage.keys import pool_key
from storage.records import TRAIN
from tasks.metrics import errors
from tasks.parity import energy_parity
from tests.conftest import TINY

Place = tuple[str | int, ...]

HOSTILE: dict[str, str] = {
    "a line more": "HF\nimport os; os.system('touch pwned')",
    "a line more of Windows": "HF\r\nimport os",
    "a form feed": "HF\x0cimport os",
    "a line of Unicode": "HF\u2028import os",
    "NUL": "HF\x00",
    "a colour": "\x1b[31mHF\x1b[0m",
    "a title of the terminal": "\x1b]0;owned\x07",
    "a backspace": "HF\x08\x08rm",
    "DEL": "HF\x7f",
    "a word from right to left": "HF\u202efdp",
    "no space at all": "HF\u200b",
    "double quotes": 'HF"',
    "single quotes": "HF'",
    "Python": '"); import os; os.system("touch pwned") #',
    "Python in braces": "{__import__('os').system('touch pwned')}",
    "a format": "%s%n{0.__class__}",
    "shell": "$(touch pwned)",
    "shell in back quotes": "`touch pwned`",
    "shell after all": "; touch pwned",
    "a pipe": "| sh",
    "a variable": "${HOME}",
    "a file for output": "> pwned",
    "ORCA": "cc-pVDZ\n%compound end",
    "C": "*/ int main(){} /*",
    "mathematics": "$\\undefined{$",
    "HTML": "<script>alert(1)</script>",
    "XML": "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "TOML": '"\n[resources]\nworkers = 9999\nx = "',
    "YAML": "{a: !!python/object/apply:os.system ['touch pwned']}",
    "the folder above": "../../../etc/passwd",
    "a whole path": "/etc/../etc/passwd",
    "a folder of Windows": "C:\\windows\\system32",
    "another user's home": "~root/x",
    "an option": "--exec=sh",
    "a backslash": "HF\\",
    "100 kB": "A" * 100_000,
    "100 kB of lines": "A\n" * 50_000,
    "a million digits": "9" * 1_000_000,
    "a blank": " ",
    "a tab": "HF\tMP2",
}

FREE = {("title",), ("licence",)}
"""Free text of people: one line of printable characters, escaped wherever it goes."""

WHOLE: dict[str, Any] = tomllib.loads(TINY)
WHOLE["licence"], WHOLE["preset"] = "CC-BY-4.0", "mine"
WHOLE["nmer"]["fragments"][0]["parts"] = []
WHOLE["sampling"] |= {
    "sampler": ["pbmetad", "scan"],
    "force_field": ["ff14SB"],
    "atom_types": [{"atoms": [0], "type": "protein-CT", "force_field": "ff14SB"}],
    "bias": {"families": [{"name": "C-O", "variables": [[0, 5]]}]},
    "scan": {"axes": [{"lower": 3.0, "upper": 4.0, "points": 2}]},
    "normal_modes": {"statistics": "quantum"},
    "conformations": {"molecules": ["AceAla4Nme"]},
    "engine": "native",
    "water_model": "TIP4P/2005f",
}
WHOLE["selection"] |= {"method": "mini-batch-k-means", "stratify": ["window"], "levels": "auto"}
WHOLE["selection"]["descriptor"] = "sorted-distances"
WHOLE["labelling"] |= {
    "engine": "pyscf",
    "method": "FNO-CCSD(T)",
    "mp2_basis": "cc-pVDZ",
    "reference": "optimized",
    "functional": "",
}
WHOLE["fitting"] |= {
    "rules": ["connected"],
    "variables": {"intra": "exp", "inter": "exp"},
    "lone_pairs": [{"atoms": [5, 6, 7]}],
    "terms": "intermolecular",
    "optimizer": "variable-projection",
    "baseline": "physics:polyalanine",
}
WHOLE["resources"]["scratch"] = "/tmp"
WHOLE["levels"] = [
    {"protocol": "gfn2-xtb", "labelling": copy.deepcopy(WHOLE["labelling"]) | {"engine": "xtb"}},
    {"labelling": copy.deepcopy(WHOLE["labelling"]), "train": 2, "test": 1},
]
WHOLE["levels"][0]["labelling"] |= {"method": "GFN2-xTB", "mp2_basis": "", "counterpoise": False}


def texts(annotation: Any, place: Place = ()) -> Iterator[Place]:
    """Where a model holds text: the names and numbers that lead there."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is str:
        yield place
    elif isinstance(annotation, type) and issubclass(annotation, Section):
        for name, field in annotation.model_fields.items():
            yield from texts(field.annotation, (*place, name))
        for name in set(annotation.sections()) - set(annotation.model_fields):
            yield from texts(annotation.sections()[name], (*place, name))
    elif origin is typing.Annotated:
        yield from texts(inner[0], place)
    elif origin in (typing.Union, types.UnionType):
        for one in inner:
            yield from texts(one, place)
    elif origin is typing.Literal:
        yield from (place for one in inner[:1] if isinstance(one, str))
    elif origin in (tuple, list):
        for one in inner[:1]:
            yield from texts(one, (*place, 0))
    else:
        assert annotation in (int, float, bool, type(None)), f"{place}: what is {annotation}?"


def value_at(values: Any, place: Place) -> Any:
    for part in place:
        values = values[part]
    return values


def changed(place: Place, value: str) -> dict[str, Any]:
    """The whole recipe with one text in the place of another."""
    values = copy.deepcopy(WHOLE)
    value_at(values, place[:-1])[place[-1]] = value
    return values


PLACES = sorted(dict.fromkeys(texts(Recipe)), key=str)
SPARE = {("sampling", "sampler"), ("sampling", "force_field"), ("selection", "potential")}
"""Places where the whole recipe has a list instead, or nothing: a potential is named where nothing has levels."""


def test_the_whole_recipe_is_one_and_sets_every_text() -> None:
    assert Recipe.model_validate(WHOLE).name == "tiny-water"
    assert len(PLACES) > 30
    for place in PLACES:
        assert place in SPARE or isinstance(value_at(WHOLE, place), str), f"set {place} in WHOLE"


@pytest.mark.parametrize("place", PLACES, ids=lambda p: ".".join(map(str, p)))
def test_a_hostile_text_is_refused_in_one_sentence(place: Place, tmp_path: Path) -> None:
    for name, text in HOSTILE.items():
        if place in FREE and text.isprintable() and len(text) <= 200:
            continue  # the next test
        if place[-1] == "functional":
            values = changed(place, text)
            value_at(values, place[:-1]).update(method="DFT", mp2_basis="")
        else:
            values = changed(place, text)
        path = tmp_path / "mine.toml"
        path.write_text(tomlkit.dumps(values), encoding="utf-8", newline="\n")
        with pytest.raises(InputError) as caught:
            load_recipe(str(path))
        said = str(caught.value)
        assert said.startswith("mine.toml: ") and said.isprintable() and len(said) < 1000, (name, said[:2000])
        assert [p.name for p in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize("name", [n for n, text in HOSTILE.items() if text.isprintable() and len(text) <= 200])
@pytest.mark.parametrize("place", sorted(FREE), ids=str)
def test_a_free_line_stays_text_wherever_it_goes(place: Place, name: str, tmp_path: Path) -> None:
    """Title and licence: in TOML, in Prefect's YAML, and in no key."""
    text = HOSTILE[name]
    recipe = Recipe.model_validate(changed(place, text))
    assert getattr(recipe, str(place[0])) == text
    assert recipe_of_text(expanded_toml(recipe)) == recipe
    assert pool_key(recipe) == pool_key(Recipe.model_validate(WHOLE))
    written = updated_file("", [of_recipe(recipe, Plan(), "1")])
    assert len(YAML(typ="safe").load(io.StringIO(written))["deployments"]) == 1
    assert YAML(typ="safe").load(written)["deployments"][0]["parameters"]["recipe"][str(place[0])] == text


@pytest.mark.parametrize("name", [n for n, text in HOSTILE.items() if text.isprintable() and len(text) <= 200])
def test_a_title_above_a_picture_is_text(name: str) -> None:
    """Between two dollars a title was read as mathematics, and the validation failed at the end of a run."""
    x = np.array([0.0, 1.0, 2.0])
    split, some = np.array([TRAIN, TRAIN, 1 - TRAIN]), errors(x, x)
    drawn = energy_parity(f"${HOSTILE[name]}$", x, x, split, ("a", "b", "c"), some, some)
    assert drawn.png.startswith(b"\x89PNG")
