"""Monitor the workers of a cluster: one that hangs is restarted, or removed."""

from __future__ import annotations

from typing import Any

from tornado.ioloop import PeriodicCallback

PATIENCE = 300.0
"""Seconds without a heartbeat after which a worker hangs; computations do not delay the heartbeat."""

LOOKS = 10
"""Checks of the workers within that time."""


def watch(cluster: Any) -> None:
    """Monitor the workers of a cluster whose scheduler runs in this process, for as long as it runs.

    The checks at which there was no heartbeat of a worker since the last check are counted. Dask's own limit
    (``worker-ttl``) uses wall time: after the whole machine, or the run with its workers, was suspended, it treats
    every worker as dead, and work would be repeated. Here a suspension is one check.
    """
    scheduler, known = cluster.scheduler, dict[str, tuple[float, int]]()

    async def look() -> None:
        """Check every worker; restart those that hang, and remove those that cannot be restarted."""
        for address in known.keys() - scheduler.workers.keys():
            del known[address]
        for address, worker in scheduler.workers.items():
            heard, looks = known.get(address, (None, 0))
            known[address] = worker.last_seen, looks + 1 if heard == worker.last_seen else 0
        now = dict(known)
        if hung := [address for address, (_, looks) in now.items() if looks >= LOOKS]:
            why = "nmer-worker-hangs"
            try:
                await scheduler.restart_workers(hung, wait_for_workers=False, on_error="return", stimulus_id=why)
            finally:  # whatever the result, a worker that is still silent is removed
                for address in hung:
                    worker = scheduler.workers.get(address)
                    if worker is not None and worker.last_seen == now[address][0]:
                        await scheduler.remove_worker(address, stimulus_id=why)

    def start() -> None:
        looking = PeriodicCallback(look, PATIENCE / LOOKS * 1000)
        scheduler.periodic_callbacks["nmer-watch"] = looking  # the scheduler stops it when it ends
        looking.start()

    cluster.loop.add_callback(start)
