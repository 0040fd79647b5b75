"""TLS between a run and its workers: without a key nobody can read the traffic or send work."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask

from deploy.machine import Tls

ROLES = ("client", "scheduler", "worker")


def tls_settings(files: Tls) -> dict[str, Any]:
    """Return Dask's settings that use these files for everybody and allow nothing unencrypted."""
    settings: dict[str, Any] = {"distributed.comm.require-encryption": True}
    settings["distributed.comm.tls.ca-file"] = files.ca
    for role in ROLES:
        settings[f"distributed.comm.tls.{role}.cert"] = files.cert
        settings[f"distributed.comm.tls.{role}.key"] = files.key
    return settings


@contextmanager
def temporary_tls(folder: Path) -> Iterator[Tls]:
    """Make keys for one run in a folder that nobody else may read, and remove them at the end.

    Parameters
    ----------
    folder
        Where the jobs see it too. No other run uses it: keys that a killed run left there are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("tls-*"):
        shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix="tls-", dir=folder))  # mode 0700
    try:
        files = _new_keys()
        for name, text in files.items():
            handle = os.open(place / f"{name}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(text)
        yield Tls(**{name: str(place / f"{name}.pem") for name in files})
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def keys_in_memory() -> Iterator[None]:
    """Make keys for one run that stay in the memory of this process and of the workers it starts.

    Everything on this machine can reach the loopback interface; without a key it can neither send work there nor
    take any.
    """
    texts = Tls.model_construct(None, **_new_keys())  # not paths: Dask takes both
    with using(texts):
        yield


def _new_keys() -> dict[str, str]:
    from distributed.security import Security

    made = Security.temporary().get_tls_config_for_role("scheduler")
    return {"ca": made["ca_file"], "cert": made["cert"], "key": made["key"]}


@contextmanager
def using(files: Tls | None) -> Iterator[None]:
    """Make every Dask client, scheduler, and worker of this process use these files; None: no change."""
    with dask.config.set(tls_settings(files) if files else {}):
        yield
