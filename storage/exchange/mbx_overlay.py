"""Format ``mbx``: a class with the functions that MBX calls, and notes on where it goes.

MBX and MB-Fit are not free for every purpose; what is here follows the interface that MBX's headers document and
has nothing of their text.
"""

from __future__ import annotations

from potentials.errors import InputError
from recipes.registry import Need
from storage.exchange.c_constants import coefficients, reference_values
from storage.exchange.c_source import c_names
from storage.exchange.exporter import Files, Format, template
from storage.exchange.subject import PotentialSubject
from storage.exchange.tables import Tables

CAPS = """Capping hydrogens are atoms
  of the potential, but only the direction from its anchor to a cap counts: the class puts it at its fixed length
  first, with the exact gradient. Where MBX moves a cap as an atom of its own, hold it there by a bond."""

CHECK = "g++ -O2 -std=c++11 *.cpp -o check && ./check"


def mbx_files(subject: PotentialSubject) -> Files:
    """Return the kernel as C++, the class, its check, and the notes.

    Raises
    ------
    InputError
        If the n-mer has more than three fragments: MBX knows 1- to 3-body potentials.
    """
    nmer = subject.potential.nmer
    if len(nmer.fragments) > 3:
        raise InputError(f"format 'mbx' is for 1 to 3 fragments; {nmer.name} has {len(nmer.fragments)}")
    names = _names(subject)
    file = names["FILE"]
    return {
        f"{file}.h": template("potential.h", names),
        f"{file}.cpp": template("potential.c", names),
        names["COEFFICIENTS"]: coefficients(Tables.of(subject.potential), subject.title),
        f"{file}_mbx.h": template("mbx.h", names),
        f"{file}_mbx.cpp": template("mbx.cpp", names),
        "check.cpp": template("mbx_check.cpp", names),
        "references.h": reference_values(subject.references, subject.potential.switching is not None),
        "REGISTER.md": template("mbx.md", names),
    }


def _names(subject: PotentialSubject) -> dict[str, str]:
    """Return the names in the templates; a 1-body class returns an energy for each monomer, others the sum."""
    nmer = subject.potential.nmer
    count = len(nmer.fragments)
    numbers = [str(n) for n in range(1, count + 1)]
    ids = [monomer_id(f.name) for f in nmer.fragments]
    single = count == 1
    return c_names(subject) | {
        "COEFFICIENTS": f"{subject.identifier}_coefficients.h",  # MBX has others beside it
        "BODIES": str(count),
        "MONOMERS": str(count),
        "SIZES": ", ".join(str(3 * f.natoms) for f in nmer.fragments),
        "WHAT": "monomers, one after the other" if single else "n-mers",
        "RESULT": "std::vector<double>" if single else "double",
        "RESULT_MEANING": "The energy of each" if single else "The sum of the energies",
        "RESULT_START": "std::vector<double> result;" if single else "double result = 0.0;",
        "RESULT_ADD": "result.push_back(" if single else "result +=",
        "RESULT_CLOSE": ")" if single else "",
        "COORDINATES": ", ".join(f"const double* xyz{n}" for n in numbers),
        "GRADIENTS": ", ".join(f"double* grad{n}" for n in numbers),
        "XYZ": ", ".join(f"xyz{n}" for n in numbers),
        "GRAD": ", ".join(f"grad{n}" for n in numbers),
        "ONE": ", ".join(f"one[{n}].data()" for n in range(count)),
        "ALL": ", ".join(f"xyz[{n}].data()" for n in range(count)),
        "ALL_GRADIENTS": ", ".join(f"gradient[{n}].data()" for n in range(count)),
        "CONDITION": " and ".join(f'mon{n} == "{i}"' for n, i in zip(numbers, ids, strict=True)),
        "ASSIGN": "energies" if single else "energy",
        "CALL_XYZ": ", ".join(f"xyz{n}.data()" for n in numbers),
        "CALL_GRAD": ", ".join(f"grad{n}.data()" for n in numbers),
        "IDS": ", ".join(f"`{i}`" for i in ids),
        "ORDER": "; ".join(" ".join(f.symbols) for f in nmer.fragments),
        "CAPS_MD": CAPS if nmer.caps else "No atom is a cap.",
        "CHECK": CHECK,
    }


def monomer_id(name: str) -> str:
    """Return what MBX calls a fragment: small letters and digits of its name."""
    plain = "".join(c for c in name.lower() if c.isascii() and c.isalnum())
    return "h2o" if plain == "water" else plain[:40] or "monomer"


FORMAT = Format(
    name="mbx",
    title="a C++ class for MBX, with notes on where it goes",
    takes=PotentialSubject,
    files=mbx_files,
    check=CHECK,
    needs=(Need("g++", "apt-get install build-essential", program=True),),
)
