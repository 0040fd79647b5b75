"""One hierarchy of errors: every class of the house is in it, and its class says what the message ends with."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re

import pytest

from potentials.errors import AGAIN, LONGEST, InputError, MissingProgramError, NmerError, StageError, StoppedError
from tests.conftest import sources

DEFINED = sorted(
    (path.removesuffix(".py").replace("/", "."), name)
    for path, text in sources().items()
    for name in re.findall(r"^class (\w+(?:Error|Exception))\b", text, re.MULTILINE)
)


@pytest.mark.parametrize(("module", "name"), DEFINED)
def test_every_error_is_in_the_hierarchy(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    assert inspect.isclass(found) and issubclass(found, NmerError)
    assert found.exit_code == (2 if issubclass(found, InputError) else 1)
    assert found.retry_helps == issubclass(found, StoppedError)


@pytest.mark.parametrize("kind", [InputError, MissingProgramError, StageError, StoppedError])
def test_the_message_is_printable_and_ends_as_the_class_says(kind: type[NmerError]) -> None:
    error = kind("'a\x1b[2Jb' is wrong")
    assert str(error).startswith(r"'a\x1b[2Jb' is wrong") and str(error).endswith(AGAIN) == kind.retry_helps
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error), "from one process to another"
    long = kind("x" * 2 * LONGEST + "allowed: y").args[0]
    assert len(long) < LONGEST + 10 and long.endswith("allowed: y")


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError) and issubclass(StageError, RuntimeError)
