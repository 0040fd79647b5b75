"""What all tests share: the repository, reference data, engines that may be missing, quiet servers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Two files are tested at a time, and BLAS threads that wait for busy processors make a test ten times slower.
# Workers import this file too, with the number that their job has set.
os.environ.update(
    {n: os.environ.get(n, "1") for n in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
)

from deploy.environment import PREFECT_DEFAULTS
from recipes.engines import ENGINES
from recipes.registry import PLUGINS
from storage.spool import read_spool, spool_files

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("nmer", "flows", "deploy", "tasks", "storage", "recipes", "potentials")
"""The folders of the code, from the top floor down."""
INSTANT = ROOT / "tests" / "tasks" / "labelling" / "instant"

TINY = """
format = 1
name = "tiny-water"
title = "A capped methyl and water at a toy level"

[nmer]
symmetry = "A1B1C3_D1E2"

[[nmer.fragments]]
name = "CH3-"
bonds = [[0, 1], [0, 2], [0, 3], [0, 4]]
caps = [1]
geometry = '''
C   0.000000   0.000000   0.000000
H   0.000000   0.000000   1.140000
H   1.027662   0.000000  -0.363333
H  -0.513831   0.889981  -0.363333
H  -0.513831  -0.889981  -0.363333
'''

[[nmer.fragments]]
name = "water"
bonds = [[0, 1], [0, 2]]
geometry = '''
O   0.000000   0.000000   3.600000
H   0.759080   0.000000   4.157641
H  -0.759080   0.000000   4.157641
'''

[sampling]
temperatures = [300, 500]
windows = [[0, 4], [4, 7]]
frames = 200
equilibration = 0.2
stride = 20

[selection]
train = 18
test = 4

[labelling]
method = "HF"
basis = "sto-3g"

[fitting]
degree = 1
starts = 2
switching = { atoms = [0, 5], r_in = 8.0, r_out = 10.0 }

[gates]
train_rmsd = 50
test_rmsd = 50

[resources]
label_timeout = 120
label_memory = 3
workers = 2
"""


@pytest.fixture(scope="session", autouse=True)
def quiet_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Prefect's database and settings of the tests out of the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PREFECT_DEFAULTS.items():
            patch.setenv(name, value)
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        patch.delenv("NMER_STORE", raising=False)
        yield


@pytest.fixture(autouse=True)
def as_a_user_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what Dask sets in this process for the workers it starts: a user's shell does not have it."""
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)


@pytest.fixture(scope="session")
def reference_data() -> Callable[[str], Path]:
    """Return the folder of a reference data set; skip where it is not beside the checkout."""

    def find(name: str) -> Path:
        folder = ROOT.parent / "shared" / "data" / name
        if not folder.is_dir():
            pytest.skip(f"reference data '{name}' is not beside the checkout")
        return folder

    return find


def sources(*rooms: str, ends: tuple[str, ...] = ("py",)) -> dict[str, str]:
    """Return the text of each file of the code, of some rooms or of all, by its path in the repository."""
    files = [p for room in rooms or ROOMS for end in ends for p in sorted((ROOT / room).rglob(f"*.{end}"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in files}


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code and what it printed to each stream."""
    from nmer.cli.main import main

    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def spooled(store: Path) -> list[tuple[str, str]]:
    """Return configuration and part of each good label in a store's spool; torn lines are left out."""
    entries = [e for path in spool_files(store / "labels" / "spool") for e in read_spool(path).entries]
    return [(e["configuration"], e["part"]) for e in entries if e["status"] == "ok"]


def until(condition: Callable[[], bool], seconds: float = 240.0) -> bool:
    """Return whether a condition was seen to hold in time; it may hold for a moment only."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing(what: str, hint: str) -> None:
    """Skip a test whose engine is missing, or fail it where NMER_REQUIRE says the engine must be there."""
    if what in os.environ.get("NMER_REQUIRE", "").split():
        pytest.fail(f"{what} is required here (NMER_REQUIRE) and missing: {hint}")
    pytest.skip(f"{what} is missing: {hint}")


@pytest.fixture
def instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Add an engine that takes no time, here and in every process that starts; return its folder."""
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("NMER_TEST_MARKS", str(marks))
    monkeypatch.setenv(PLUGINS, str(INSTANT))
    ENGINES.forget()
    yield INSTANT
    ENGINES.forget()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Provide a disk of 2 MiB, half of it taken by the file ``ballast``; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    try:
        (folder / "ballast").write_bytes(b"x" * 1024 * 1024)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@pytest.fixture(scope="session")
def psi4() -> str:
    """Return the psi4 program."""
    found = shutil.which("psi4")
    if found is None:
        missing("psi4", "on Debian: apt-get install psi4")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def nmer_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the `nmer` command in a process of its own, as a user would."""

    def run(*words: str, cwd: Path, timeout: float = 560) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("nmer")
        return subprocess.run(
            [str(program), *words], cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recipe file that runs through every stage in seconds."""
    path = tmp_path_factory.mktemp("recipe") / "tiny-water.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def tiny_run(
    tiny_recipe: Path,
    tmp_path_factory: pytest.TempPathFactory,
    nmer_command: Callable[..., subprocess.CompletedProcess[str]],
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run the tiny recipe once through the real flow; return its store and what the command printed."""
    store = tmp_path_factory.mktemp("work") / "store"
    done = nmer_command("run", str(tiny_recipe), "--store", str(store), "--json", cwd=store.parent)
    return store, done
