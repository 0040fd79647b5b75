"""Format ``ipi``: a driver that serves the potential through i-PI's socket, and an input that uses it."""

from __future__ import annotations

from storage.exchange.c_source import c_names
from storage.exchange.exporter import Files, Format, template
from storage.exchange.lammps_example import springs_of
from storage.exchange.python_source import python_files
from storage.exchange.subject import PotentialSubject
from storage.exchange.text import xml_comment
from storage.exchange.xyz_files import xyz_frame

CHECK = "python ipi_driver.py --check"

NOTE = """A potential of several fragments
is their interaction alone: --springs holds each fragment near its geometry, in place of potentials of its own. """

CAPS_NOTE = """The energy
does not depend on a cap's distance from its anchor; a spring, which is always there but in --check, holds it at
its length. It is part of the energy that i-PI prints: potential.cap_springs."""


def ipi_files(subject: PotentialSubject) -> Files:
    """Return the potential as Python, the driver, i-PI's input, and the n-mer's geometry."""
    nmer = subject.potential.nmer
    springs = springs_of(nmer)
    note = f"{NOTE if springs else ''}{CAPS_NOTE if nmer.caps else ''}"
    own = {"XML_TITLE": xml_comment(subject.title), "SPRINGS": repr(springs), "SPRINGS_NOTE": note}
    values = c_names(subject) | own
    cell = "# CELL(abcABC): 200.0 200.0 200.0 90.0 90.0 90.0 cell{angstrom} positions{angstrom}"
    flag = " --springs" if springs else ""
    return python_files(subject) | {
        "ipi_driver.py": template("ipi_driver.py.in", values),
        "input.xml": template("input.xml", values),
        "init.xyz": xyz_frame(nmer.symbols, nmer.positions, cell),
        "README": (
            f"{subject.title}\n\nTo check:\n\n    {CHECK}\n\nTo run (pip install ipi):\n\n"
            f"    i-pi input.xml & sleep 5; python ipi_driver.py{flag}\n"
        ),
    }


FORMAT = Format(
    name="ipi",
    title="a driver for i-PI's socket, with an input",
    takes=PotentialSubject,
    files=ipi_files,
    check=CHECK,
    carries_physics=True,
)
