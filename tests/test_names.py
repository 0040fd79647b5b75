"""What tests import is public, and what CONTRIBUTING.md names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.conftest import ROOMS, ROOT


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(tree: ast.Module) -> Iterator[str]:
    """Yield the private names that a file takes from the project: imported, read from a module, or patched."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ROOMS:
            yield from (alias.name for alias in node.names if private(alias.name))
            modules |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name.split(".")[0] in ROOMS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and ast.unparse(node.value) in modules:
            yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "monkeypatch.setattr":
            yield from (
                word.value
                for word in node.args[:2]
                if isinstance(word, ast.Constant) and private(str(word.value).rpartition(".")[2])
            )


def test_private_names_are_seen() -> None:
    """What the next test looks for."""
    text = "from storage import a\nfrom tasks.b import _c\na._d\nmonkeypatch.setattr('tasks.b._e', 1)\nself._f\n"
    assert set(private_names(ast.parse(text))) == {"_c", "a._d", "tasks.b._e"}


def test_tests_use_no_private_name() -> None:
    files = [path for folder in ("tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): list(private_names(ast.parse(path.read_text()))) for path in files}
    assert not {path: names for path, names in found.items() if names}


def test_the_paths_that_contributing_names_are_there() -> None:
    words = re.findall(r"`([\w.-]+/[\w./-]*|[A-Z]+\.md)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(words) > 20
    assert not [word for word in words if not (ROOT / word).exists()]
