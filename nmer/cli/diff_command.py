"""The command that compares two versions: diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json, print_table


def diff(left: str, right: str, *, store: StorePath = None, json: Json = False) -> int:
    """Show what differs between two versions of one kind: recipe, programs, data, errors, parameters, terms.

    Of two trajectories or checks these are the potentials, the settings, the programs, and the facts.

    Parameters
    ----------
    left, right
        For example ch3-water@1 and ch3-water@2, or dataset:ch3-water@1 and dataset:ch3-water@2.

    Examples
    --------
    nmer diff ch3-water@1 ch3-water@latest
    """
    from storage.diff import difference
    from storage.store import Store

    opened = Store(store)
    found = difference(opened, opened.resolve(left), opened.resolve(right))
    if json:
        return print_json(found)
    head = (found["left"], found["right"])
    made = [
        (row["kind"], row["left"], row["right"], "the same" if row["same"] else "differs")
        for row in found["made_from"]
    ]
    _section("made from", (*head, ""), made)
    _section("recipe", head, [_row(row["key"], row) for row in found["recipe"]], "the same")
    programs = [_row(f"{row['stage']}: {row['key']}", row) for row in found["programs"]]
    _section("programs", head, programs, "the same")
    if "frames" in found:
        _section(found["kind"], head, [_row("frames", found["frames"])])
    if "same_frames" in found:
        print(f"\nframes, velocities and energies: {'the same' if found['same_frames'] else 'differ'}")
    if "facts" in found:
        _section("facts", head, [_row(row["key"], row) for row in found["facts"]], "the same")
    if "data" in found:
        _print_data(found["data"])
    if "errors" in found:
        _print_errors(found, head)
    if "k" in found:
        _section("k (1/A)", head, [_row(row["name"], row) for row in found["k"]])
        terms = found["terms"]
        print(
            f"\nterms: {terms['left']} and {terms['right']}; {terms['shared']} in both, "
            f"{terms['only_left']} only in {head[0]}, {terms['only_right']} only in {head[1]}"
        )
    return 0


def _print_data(data: dict[str, Any]) -> None:
    left, right = data["left"], data["right"]
    names = ("configurations", "train", "test", "protocol")
    rows = [(name, _text(left[name]), _text(right[name])) for name in names if left[name] or right[name]]
    _section("data", (left["ref"], right["ref"]), rows)
    print(
        f"{data['shared']} configurations in both, {data['only_left']} only in {left['ref']}, "
        f"{data['only_right']} only in {right['ref']}, {data['moved']} in another set"
    )
    if "largest_energy_change" in data:
        same = "the same protocol" if data["same_protocol"] else "different protocols"
        print(
            f"energies of those in both, {same}: RMS difference {data['rms_energy_change']:.4g}, "
            f"largest {data['largest_energy_change']:.4g} kcal/mol"
        )
    if "largest_gradient_change" in data:
        print(f"gradients of those in both: largest difference {data['largest_gradient_change']:.4g} kcal/mol/A")


def _print_errors(found: dict[str, Any], head: Sequence[str]) -> None:
    rows = []
    for row in found["errors"]:
        window = ""
        if row["low"] is not None:
            window = f", {row['low']:g} " + ("and more" if row["high"] is None else f"to {row['high']:g}")
        for name in ("count", "rmsd", "mae", "largest"):
            sides = ((row[side] or {}).get(name) for side in ("left", "right"))
            rows.append((f"{row['set']}{window}: {name}", *(_text(value) for value in sides)))
    _section("errors (kcal/mol; windows above the lowest energy)", head, rows)
    gates = [(gate["name"], *(_gate(gate[side]) for side in ("left", "right"))) for gate in found["gates"]]
    _section("gates", head, gates)


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], none: str = "") -> None:
    if rows:
        print()
        print_table((title, *head), rows)
    elif none:
        print(f"\n{title}: {none}")


def _row(name: str, row: dict[str, Any]) -> tuple[str | None, ...]:
    return (name, _text(row["left"]), _text(row["right"]))


def _gate(gate: dict[str, Any] | None) -> str | None:
    if gate is None:
        return None
    return f"{gate['value']:.3g} (limit {gate['limit']:.3g}) {'passed' if gate['passed'] else 'failed'}"


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{' '.join(text.split())[:57]}..."
