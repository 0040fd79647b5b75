"""One Prefect server for all tests of flows: starting one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.server import PrivateServer


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Return the address of a server's API, with all services; a test that uses it sets PREFECT_API_URL."""
    with PrivateServer(password=None, settings={}) as server:
        yield server.url
