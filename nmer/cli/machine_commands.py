"""The command that lists machines: machines."""

from __future__ import annotations

from typing import Any

from nmer.cli.options import Json
from nmer.cli.output import print_json, print_table
from potentials.errors import InputError


def machines(*, json: Json = False) -> int:
    """List the machines for --on, whether each can be used from here, and what it needs if not.

    Put profiles of your own into ~/.config/nmer/machines, or the folder in NMER_MACHINES.

    Examples
    --------
    nmer machines
    """
    from deploy.machine import describe
    from deploy.needs import what_is_missing
    from deploy.profiles import machine_files, read_machine

    rows: list[dict[str, Any]] = []
    for name, path in machine_files().items():
        try:
            machine = read_machine(path)
        except InputError as error:
            row = {"system": "?", "title": "", "size": "", "needs": f"has an invalid profile: {error}"}
        else:
            missing = what_is_missing(machine) or ""
            row = {"system": machine.system, "title": machine.title, "size": describe(machine), "needs": missing}
        rows.append({"name": name, **row, "runs_here": not row["needs"], "file": str(path)})
    if json:
        print_json(rows)
        return 0
    print_table(
        ("machine", "runs here", "size", "what"),
        [(r["name"], "yes" if r["runs_here"] else "no", r["size"], r["title"]) for r in rows],
    )
    for row in rows:
        if row["needs"]:
            print(f"{row['name']} {row['needs']}")
    return 0
