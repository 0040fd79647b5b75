"""Watch over the workers of a cluster: one that hangs is started anew, or given up."""

from __future__ import annotations

from typing import Any

from tornado.ioloop import PeriodicCallback

PATIENCE = 300.0
"""Seconds without a heartbeat after which a worker hangs; what it computes never keeps it from its heartbeat."""

LOOKS = 10
"""Looks at the workers within that time."""


class Watch:
    """Count the looks at which a worker has not been heard of since the last one.

    Dask's own limit (``worker-ttl``) goes by the clock on the wall: it takes every worker for dead when the whole
    machine, or the run with its workers, wakes from a sleep, and would have good work done again. A sleep is one
    look here.

    Parameters
    ----------
    scheduler
        Dask's scheduler.
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._heard: dict[str, tuple[float, int]] = {}

    async def look(self) -> None:
        """Look at every worker; have those started anew that hang, and forget those that cannot be."""
        now: dict[str, tuple[float, int]] = {}
        for address, worker in self._scheduler.workers.items():
            heard, looks = self._heard.get(address, (None, 0))
            now[address] = worker.last_seen, looks + 1 if heard == worker.last_seen else 0
        self._heard = now
        if hung := [address for address, (_, looks) in now.items() if looks >= LOOKS]:
            why = "nmer-worker-hangs"
            try:
                await self._scheduler.restart_workers(
                    hung, wait_for_workers=False, on_error="return", stimulus_id=why
                )
            finally:  # whatever came of that, who is still silent is given up
                for address in hung:
                    worker = self._scheduler.workers.get(address)
                    if worker is not None and worker.last_seen == now[address][0]:
                        await self._scheduler.remove_worker(address, stimulus_id=why)


def watch(cluster: Any) -> None:
    """Watch over the workers of a cluster whose scheduler runs in this process, for as long as it runs."""
    scheduler = cluster.scheduler

    def start() -> None:
        looking = PeriodicCallback(Watch(scheduler).look, PATIENCE / LOOKS * 1000)
        scheduler.periodic_callbacks["nmer-watch"] = looking  # the scheduler stops it when it ends
        looking.start()

    cluster.loop.add_callback(start)
