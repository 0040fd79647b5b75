"""Open a Dask cluster whose workers are pods that the Dask operator starts.

The request to the operator is tested; it was not run on a Kubernetes cluster.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask

from deploy.cluster import DASK_SETTINGS, WORKER_ENVIRONMENT
from deploy.dashboard import Show
from deploy.machine import OVERHEAD, KubernetesMachine, Tls, seconds_of
from deploy.script import Work, as_variables
from deploy.tls import temporary_tls, tls_settings, using
from potentials.errors import StageError, StoppedError


def cluster_spec(machine: KubernetesMachine, work: Work, name: str, tls: Tls | None = None) -> dict[str, Any]:
    """Return the ``DaskCluster`` resource of a run.

    Parameters
    ----------
    machine
        The machine.
    work
        What is to be done; its folder lies in the store.
    name
        Name of the resource.
    tls
        Key files in the store, which the pods see at the same paths; None is plain TCP.
    """
    from dask_kubernetes.operator import make_cluster_spec

    memory = f"{round((machine.labels.memory or work.memory + OVERHEAD) * 1024)}Mi"
    size = {"cpu": "1", "memory": memory}
    spec: dict[str, Any] = make_cluster_spec(
        name,
        image=machine.image,
        n_workers=work.workers or machine.labels.jobs,
        resources={"requests": size, "limits": size},
        env=WORKER_ENVIRONMENT | as_variables(DASK_SETTINGS | (tls_settings(tls) if tls else {})),
        worker_command=["python", "-m", "distributed.cli.dask_worker", "--nthreads", "1"],
    )
    store = work.folder.parents[1]
    worker, scheduler = spec["spec"]["worker"]["spec"], spec["spec"]["scheduler"]["spec"]
    for pod in (worker, scheduler) if tls else (worker,):  # the scheduler needs the keys, and nothing else of it
        pod["volumes"] = [{"name": "store", "persistentVolumeClaim": {"claimName": machine.claim}}]
        pod["containers"][0]["volumeMounts"] = [{"name": "store", "mountPath": str(store)}]
    if tls:
        scheduler["containers"][0]["args"] += ["--protocol", "tls"]
        address = f"tls://{name}-scheduler.{machine.namespace}.svc.cluster.local:8786"
        worker["containers"][0]["env"].append({"name": "DASK_SCHEDULER_ADDRESS", "value": address})  # not tcp://
    return spec


def cluster_class() -> type[Any]:
    """Return dask-kubernetes' cluster, which by itself speaks plain TCP to its scheduler, with TLS."""
    from dask_kubernetes.operator import KubeCluster

    class KeyedCluster(KubeCluster):  # type: ignore[misc]
        async def _get_scheduler_address(self) -> str:
            address: str = await super()._get_scheduler_address()
            return address.replace("tcp://", "tls://", 1)

    return KeyedCluster


@contextmanager
def kubernetes_cluster(machine: KubernetesMachine, work: Work, show: Show | None = None) -> Iterator[str]:
    """Start pods, wait for a first worker, and yield the scheduler's address; the pods end with the context.

    `show` is called with the address of the dashboard.

    Raises
    ------
    StageError
        If the cluster cannot be reached, or no pod starts within the machine's `patience`.
    """
    from dask_kubernetes.operator import KubeCluster
    from distributed import Client

    patience = seconds_of(machine.patience)
    settings = DASK_SETTINGS | {"distributed.scheduler.no-workers-timeout": f"{patience} seconds"}
    with temporary_tls(work.folder) as files, dask.config.set(settings), using(files if machine.encrypt else None):
        tls = files if machine.encrypt else None
        spec = cluster_spec(machine, work, f"nmer-{work.name}-{uuid.uuid4().hex[:8]}", tls)
        kind = cluster_class() if tls else KubeCluster
        try:
            cluster = kind(custom_cluster_spec=spec, namespace=machine.namespace, quiet=True)
        except Exception as error:  # the Kubernetes client raises many kinds of errors
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise StageError(f"the Kubernetes cluster cannot be used: {said}") from None
        with cluster, Client(cluster.scheduler_address) as client:
            try:
                if show is not None and cluster.dashboard_link:
                    show(cluster.dashboard_link)
                client.wait_for_workers(1, timeout=patience)
            except TimeoutError:
                raise StoppedError(f"no pod started a worker within {machine.patience}") from None
            yield str(cluster.scheduler_address)
