"""One Prefect server for all tests of flows: starting one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from contextvars import copy_context

import pytest

from flows.server import prefect_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Return the address of a server's API; who uses it sets PREFECT_API_URL, so that other tests have none."""
    with ExitStack() as stack:
        context = copy_context()
        yield context.run(stack.enter_context, prefect_server())
        context.run(stack.close)
