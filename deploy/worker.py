"""A Dask worker that finishes what it has begun before its lifetime ends."""

from __future__ import annotations

import asyncio
from typing import Any

from distributed import Status, Worker

WAIT = 30.0
"""Seconds for the run to fetch the last result."""


class DrainingWorker(Worker):  # type: ignore[misc]
    """At the end of its lifetime it accepts no new label, finishes the current one, and then leaves."""

    status: Any

    async def close_gracefully(self, restart: bool | None = None, reason: str = "worker-close-gracefully") -> None:
        """Leave the cluster when the current work is finished and fetched."""
        if self.status is Status.running:
            # begins nothing new; Dask's watch over memory, which is off, could undo it
            self.status = Status.paused
            while self.state.executing_count:
                await asyncio.sleep(0.2)
            waited = 0.0
            while self.data and waited < WAIT:
                await asyncio.sleep(0.2)
                waited += 0.2
        await super().close_gracefully(restart=restart, reason=reason)
