"""Load a recipe by name or path, apply a preset, and report what is wrong with it."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from potentials.errors import InputError
from recipes.schema.checks import check_molecules
from recipes.schema.patterns import shown, suggestion
from recipes.schema.recipe import Recipe
from recipes.schema.section import Section

SectionType = TypeVar("SectionType", bound=Section)

LARGEST_FILE = 256_000
"""Largest size of a recipe, bytes; shipped recipes have up to 4,000, an n-mer of 200 atoms 20,000."""

MOST_POINTS = 300
"""Largest number of points between two line ends or '=': keys with more of them take hours to parse."""


def shipped_recipes() -> dict[str, Path]:
    """Return the name and file of every shipped recipe."""
    folder = Path(str(resources.files("recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.toml")) if path.name != "protocols.toml"}


def find_recipe(name: str) -> Path:
    """Return the file of a recipe given by name or by path.

    Raises
    ------
    InputError
        If there is no such file and no shipped recipe of that name.
    """
    path = Path(name)
    if path.suffix == ".toml" or path.parent != Path():
        return _existing(path)
    shipped = shipped_recipes()
    if name in shipped:
        return shipped[name]
    hint = suggestion(name, shipped)
    raise InputError(f"recipe {shown(name)} is unknown{hint}; allowed: {_known()}, or the path of a .toml file")


def presets(path: Path) -> list[str]:
    """Return the names of a recipe file's presets."""
    return sorted(_read(path).get("presets", {}))


def load_recipe(name: str, preset: str | None = None) -> Recipe:
    """Load a recipe and apply one of its presets.

    Parameters
    ----------
    name
        A shipped recipe's name, or the path of a TOML file.
    preset
        A preset of that recipe; without one the recipe's own values and the defaults apply.

    Raises
    ------
    InputError
        One sentence naming the file, the key, and what is allowed.
    """
    path = find_recipe(name)
    values = _read(path)
    offered = values.pop("presets", {})
    if not isinstance(offered, dict) or not all(isinstance(v, dict) for v in offered.values()):
        raise InputError(f"{path.name}: key 'presets' must be a table of tables, for example [presets.smoke]")
    if preset is not None:
        if preset not in offered:
            raise InputError(
                f"{path.name}: preset {shown(preset)} is unknown; allowed: {', '.join(sorted(offered)) or 'none'}"
            )
        values = merge(_without_replaced(values, offered[preset]), offered[preset])
        values["preset"] = preset
    try:
        recipe = Recipe.model_validate(values)
        check_molecules(recipe)
    except ValidationError as error:
        raise InputError(f"{path.name}: {_sentence(error)}") from None
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    return recipe


def _without_replaced(values: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """Return a file's values without the protocols that a preset replaces: its levels or its labelling section."""
    left = {"labelling"} if "levels" in preset and "labelling" not in preset else set[str]()
    left |= {"levels"} if "labelling" in preset and "levels" not in preset else set()
    return {key: value for key, value in values.items() if key not in left}


def validated(section: type[SectionType], values: dict[str, Any]) -> SectionType:
    """Return a section made from options of a command.

    Raises
    ------
    InputError
        One sentence naming the option and what is allowed.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(f"--{part}" for part in first["loc"][:1]).replace("_", "-")
        raise InputError(f"{name + ': ' if name else ''}{_message(first['msg'])}") from None


def _message(text: str) -> str:
    """Return a message of pydantic as the end of a sentence."""
    text = text.removeprefix("Value error, ")
    return text[0].lower() + text[1:]


def section_toml(sections: Mapping[str, Section]) -> str:
    """Return sections as TOML, every default written out."""
    return toml_text(
        {name: section.model_dump(mode="json", exclude_none=True) for name, section in sections.items()}
    )


def merge(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Return base with the values of the override, merged table by table."""
    merged = dict(base)
    for key, value in override.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def expanded_toml(recipe: Recipe) -> str:
    """Return the fully expanded recipe as TOML, every default written out; it can be loaded again."""
    return toml_text(recipe.model_dump(mode="json", exclude_none=True))


def toml_text(values: Mapping[str, Any]) -> str:
    """Return tables as TOML; texts of several lines are written as such."""
    import tomlkit

    def lines_kept(value: Any) -> Any:
        if isinstance(value, str) and "\n" in value and "\r" not in value:
            quoted = tomlkit.string(value, multiline=True).as_string()
            return tomlkit.value(quoted if value[0] == "\n" else f'"""\n{quoted[3:]}')
        if isinstance(value, Mapping):
            return {key: lines_kept(each) for key, each in value.items()}
        if isinstance(value, list):
            return [lines_kept(each) for each in value]
        return value

    return tomlkit.dumps(lines_kept(values))


def recipe_of_text(text: str) -> Recipe:
    """Return the recipe of an expanded TOML text; raises ValueError if this version cannot read it.

    A field that the text of an older release lacks gets the value of its absence (`LATER`), not today's default.
    """
    return Recipe.model_validate(Recipe.completed(tomllib.loads(text)))


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a recipe's values by dotted key, tables and lists of tables flattened.

    Parameters
    ----------
    values
        Tables as read from TOML.
    prefix
        Prefix of every key.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= flattened(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            for number, table in enumerate(value):
                found |= flattened(table, f"{name}[{number}].")
        else:
            found[name] = value
    return found


def _existing(path: Path) -> Path:
    """Return the path if it is a file; raises InputError with what it is otherwise."""
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = "does not exist" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else _reason(error)
        raise InputError(
            f"recipe file {shown(str(path))} {why}; give a .toml file or one of: {_known()}"
        ) from None
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "no regular file"
        raise InputError(f"recipe file {shown(str(path))} is {what}; give a .toml file or one of: {_known()}")
    return path


def _reason(error: OSError | ValueError) -> str:
    return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"


def _read(path: Path) -> dict[str, Any]:
    """Return the tables of a recipe file in UTF-8, with or without a byte order mark; its size is limited."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        text = content.decode("utf-8-sig") if len(content) <= LARGEST_FILE else ""
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name}: not UTF-8 text: byte {error.start} is {content[error.start]:#04x}"
        ) from None
    except OSError as error:
        raise InputError(f"recipe file {shown(str(path))} {_reason(error)}") from None
    if len(content) > LARGEST_FILE:
        raise InputError(f"{path.name}: larger than a recipe can be; allowed: up to {LARGEST_FILE // 1000} kB")
    if max(part.count(".") for part in re.split(r"[=\r\n]", text)) > MOST_POINTS:
        raise InputError(f"{path.name}: a line has more than {MOST_POINTS} points; no key or list of a recipe has")
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except RecursionError:
        raise InputError(f"{path.name}: its tables or lists are nested deeper than those of a recipe") from None
    except ValueError as error:  # no TOML, or a number of thousands of digits
        raise InputError(f"{path.name}: not valid TOML: {error}") from None


def _known() -> str:
    return ", ".join(shipped_recipes())


def _sentence(error: ValidationError) -> str:
    """Return pydantic's first error as one sentence with the key and what is allowed."""
    problems = error.errors()
    first = problems[0]
    key = ".".join(str(part) for part in first["loc"])
    more = len(problems) - 1
    tail = f" (and {more} more)" if more else ""
    if first["type"] == "extra_forbidden":
        section = _section_at(first["loc"][:-1])
        keys = sorted({*section.model_fields, *section.sections()})
        hint = suggestion(str(first["loc"][-1]), keys)
        return f"key {shown(key)} is unknown{hint}; allowed: {', '.join(keys)}{tail}"
    message = _message(first["msg"])
    if first["type"] == "missing":
        return f"key '{key}' is missing{tail}"
    if first["type"] == "value_error":
        where = f"key '{key}': " if key else ""
        return f"{where}{message}{tail}"
    return f"key '{key}'{_description(first['loc'])} is {shown(first['input'])}; {message}{tail}"


def _section_at(loc: tuple[int | str, ...]) -> type[Section]:
    """Return the model that a location leads to."""
    model: type[Section] = Recipe
    for part in loc:
        model = model.sections().get(str(part), model)
    return model


def _description(loc: tuple[int | str, ...]) -> str:
    """Return the description of the field that a location leads to, in brackets; empty if it has none."""
    names = [part for part in loc if isinstance(part, str)]
    field = _section_at(tuple(names[:-1])).model_fields.get(names[-1]) if names else None
    return f" ({field.description})" if field and field.description else ""
