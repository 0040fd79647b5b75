"""A recipe as TOML text that a chemist can read and edit: the n-mer, and its smoke, laptop, and paper presets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from textwrap import wrap
from typing import Any

import tomlkit

from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis, BasisOptions
from recipes.authoring.settings import LevelSize, Settings, Size
from recipes.schema.gates import gates

LINE = 115

FIRST_LEVEL = "gfn2-xtb"
"""Protocol of the first level of the preset ``levels``."""

CUT_SHARE = 0.15
"""Fraction of the configurations that are cut from conformations of molecules, where a recipe has them."""


def _labels(preset: str, basis: str, large_basis: str = "") -> str:
    """Return a preset's labelling section: FNO-CCSD(T), with MP2 in a larger basis if one is given."""
    mp2, triples = (f"mp2_basis = {_toml(large_basis)}\n", "scale_triples = true\n") if large_basis else ("", "")
    return f"""\

[presets.{preset}.labelling]
engine = "pyscf"
method = "FNO-CCSD(T)"
basis = {_toml(basis)}
{mp2}density_fitting = true
{triples}single_precision = true
cc_tolerance = 1e-7
fno_threshold = 3e-5
"""


def recipe_text(nmer: NMer, settings: Settings) -> str:
    """Return a recipe as TOML.

    Parameters
    ----------
    nmer
        The n-mer; its starting geometry is written to six decimals.
    settings
        The rest of the recipe.
    """
    pair = len(nmer.fragments) > 1
    lines = _comment(settings.comment)
    lines += ["format = 1", f"name = {_toml(nmer.name)}", f"title = {_toml(settings.title)}", "", "[nmer]"]
    lines += [f"# {line}" for line in _symmetry_comment(nmer)]
    lines += [f"symmetry = {_toml(nmer.symmetry)}", ""]
    for fragment in nmer.fragments:
        lines += [*_fragment_lines(fragment), ""]
    lines += ["[sampling]", *_comment(settings.notes.force_field)]
    if settings.force_field != Settings.force_field:
        lines += [f"force_field = {_toml(settings.force_field)}"]
    if settings.molecules:
        lines += ['sampler = ["pbmetad", "conformations"]', *_comment(settings.notes.molecules)]
        cut = f"molecules = {_toml(settings.molecules)}, frames = {settings.paper.cut}"
        lines += [f"conformations = {{ {cut} }}"]
    lines += [_noted("temperatures = [300, 500, 700]", "K")]
    if pair:
        windows = ", ".join(f"[{lower:g}, {upper:g}]" for lower, upper in settings.windows)
        mean = "" if len(nmer.fragments) == 2 else ", mean over the pairs"
        lines += [_noted(f"windows = [{windows}]", f"A, distance between the centres of mass{mean}")]
    else:
        lines += [f"frames = {settings.paper.frames}"]
        lines += ["", "[selection]", f"train = {settings.paper.train}", f"test = {settings.paper.test}"]
    if settings.molecules:
        lines += [] if not pair else ["", "[selection]"]
        lines += [_noted(f"shares = [{1 - CUT_SHARE:g}, {CUT_SHARE:g}]", "of the configurations, by sampler")]
    if settings.max_t1:
        lines += ["", "[labelling]", *_comment(settings.notes.max_t1), f"max_t1 = {settings.max_t1}"]
    lines += ["", "[fitting]"]
    lines += [_noted(f"degree = {settings.paper.degree}", _count(nmer, settings, settings.paper))]
    lines += [f'terms = "{"intermolecular" if pair else "all"}"']
    if settings.rules:
        lines += [_noted(f"rules = {_toml(settings.rules)}", "the atoms of a term are connected")]
    if settings.paper.max_terms:
        lines += [_noted(f"max_terms = {settings.paper.max_terms}", "those that lower the error most")]
    lines += ["gamma = 0.0005", _noted("delta_e = 40", "kcal/mol")]
    if settings.baseline:
        lines += [_noted(f"baseline = {_toml(settings.baseline)}", "V_phys, subtracted from the labels")]
    if settings.switching:
        keys, (inner, outer) = settings.switching
        several = [list(key) if isinstance(key, tuple) else key for key in keys]
        ends = "..".join(nmer.symbols[key if isinstance(key, int) else key[0]] for key in keys)
        lines += _comment(settings.notes.switching)
        lines += [f"switching = {{ atoms = {_toml(several)}, r_in = {inner}, r_out = {outer} }}   # {ends}, A"]
    return "\n".join(lines) + "\n" + _presets(nmer, settings)


def _presets(nmer: NMer, settings: Settings) -> str:
    slow = "Hours" if settings.small else "Days"
    memory = settings.memory or (3 if settings.small else 4)
    notes = settings.notes
    laptop_note = notes.laptop or (
        f"{slow} on two cores, as `nmer plan` says; minutes with --protocol gfn2-xtb. Labels are those of the "
        "protocol fno-aug-cc-pvdz."
    )
    canonical = f'labelling = {{ engine = "pyscf", method = "CCSD(T)", basis = {_toml(settings.smoke_basis)} }}\n'
    smoke_labels = canonical if settings.small else _labels("smoke", settings.smoke_basis)

    def preset(name: str, note: str, timeout: int, labels: str, size: Size) -> str:
        return f"""
{_lines(note)}
[presets.{name}]
{_size_lines(nmer, settings, size, short=name == "smoke")}
resources = {{ label_timeout = {timeout}, label_memory = {memory} }}
{labels}"""

    levels = replace(settings.laptop, gamma=settings.levels_gamma)
    return (
        preset("smoke", notes.smoke, 600, smoke_labels, settings.smoke)
        + preset("laptop", laptop_note, 3600, _labels("laptop", "aug-cc-pVDZ"), settings.laptop)
        + (preset("levels", notes.levels, 7200, _levels(settings), levels) if settings.levels else "")
        + preset("paper", notes.paper, 7200, _labels("paper", "aug-cc-pVDZ", "aug-cc-pVTZ"), settings.paper)
    )


def _levels(settings: Settings) -> str:
    """Return the levels of the preset ``levels``."""
    first = FIRST_LEVEL + ("-gradients" if settings.first_gradients else "")
    text = f"\n[[presets.levels.levels]]\nprotocol = {_toml(first)}\n"
    for one in settings.levels:
        found = {"degree": one.degree if one.degree != LevelSize.degree else None, "gamma": one.gamma}
        changed = [f"{key} = {value}" for key, value in found.items() if value is not None]
        fit = f"fitting = {{ {', '.join(changed)} }}\n" if changed else ""
        flags = "" if one.max_t1 is None else f"labelling = {{ max_t1 = {one.max_t1} }}\n"
        size = f"train = {one.train}\ntest = {one.test}\n"
        text += f"\n[[presets.levels.levels]]\nprotocol = {_toml(one.protocol)}\n{flags}{size}{fit}"
    return text


def _comment(text: str) -> list[str]:
    """Return a text as lines of a comment; no lines if it is empty."""
    return wrap(text, LINE, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _lines(text: str) -> str:
    return "\n".join(_comment(text))


def _size_lines(nmer: NMer, settings: Settings, size: Size, *, short: bool = False) -> str:
    limit = f", max_terms = {size.max_terms}" if size.max_terms else ""
    some = f", starts = {size.starts}" if size.starts else ""
    ridge = f", gamma = {size.gamma:g}" if size.gamma else ""
    cut = f", conformations = {{ frames = {size.cut} }}" if size.cut else ""
    soon = ", equilibration = 1.0" if short else ""
    errors = dict(zip(("train", "test"), size.gates, strict=True))
    stated = {gate.name: errors[gate.error_of] for gate in gates() if gate.error_of}
    stated |= {gate.name: gate.smoke for gate in gates() if short and gate.smoke is not None}
    limits = ", ".join(f"{name} = {limit}" for name, limit in stated.items())
    return "\n".join(
        [
            f"sampling = {{ frames = {size.frames}{soon}{cut} }}",
            f"selection = {{ train = {size.train}, test = {size.test} }}",
            _noted(f"fitting = {{ degree = {size.degree}{limit}{some}{ridge} }}", _count(nmer, settings, size)),
            f"gates = {{ {limits} }}",
        ]
    )


def _count(nmer: NMer, settings: Settings, size: Size) -> str:
    """Return how many terms there are: ``710 terms``, or ``2871 of 5115 terms``."""
    kind = "intermolecular" if len(nmer.fragments) > 1 else "all"
    terms = Basis.build(nmer, size.degree, kind, BasisOptions(rules=settings.rules)).n_terms
    chosen = min(terms, size.max_terms or terms)
    return f"{terms} terms" if chosen == terms else f"{chosen} of {terms} terms"


def _noted(text: str, note: str) -> str:
    return f"{text:<46} # {note}"


def _symmetry_comment(nmer: NMer) -> list[str]:
    """Return what the atoms are, in their order: ``C, its cap, 3 H``."""
    described = []
    for fragment in nmer.fragments:
        parts = fragment.parts or (tuple(range(fragment.natoms)),)
        described.append(" | ".join(_atoms_in_words(fragment, part) for part in parts))
    text = "; ".join(described)
    return [f"{text}. Caps are classes of their own." if any(f.caps for f in nmer.fragments) else f"{text}."]


def _atoms_in_words(fragment: Fragment, part: tuple[int, ...]) -> str:
    words = ("cap" if atom in fragment.caps else fragment.symbols[atom] for atom in part)
    counts = [(word, len(list(alike))) for word, alike in groupby(words)]
    return ", ".join(word if count == 1 else f"{count} {word}" for word, count in counts)


def _fragment_lines(fragment: Fragment) -> list[str]:
    lines = ["[[nmer.fragments]]", f"name = {_toml(fragment.name)}", f"bonds = {_nested(fragment.bonds)}"]
    if fragment.caps:
        lines += [f"caps = {_toml(fragment.caps)}"]
    if fragment.charge:
        lines += [f"charge = {fragment.charge}"]
    if fragment.parts:
        lines += [_noted(f"parts = {_nested(fragment.parts)}", "its 1-mers")]
    lines += ['geometry = """']
    for symbol, (x, y, z) in zip(fragment.symbols, fragment.positions, strict=True):
        lines += [f"{symbol:<2} {x:10.6f} {y:10.6f} {z:10.6f}"]
    return [*lines, '"""']


def _toml(value: Any) -> str:
    """Return a value as TOML."""
    return str(tomlkit.item(value).as_string())


def _nested(rows: Sequence[tuple[int, ...]]) -> str:
    text = _toml(rows)
    if len(text) + len("bonds = ") <= LINE:
        return text
    half = (len(rows) + 1) // 2
    first, second = (", ".join(map(_toml, part)) for part in (rows[:half], rows[half:]))
    return f"[\n    {first},\n    {second},\n]"
