"""Open a Dask cluster whose workers are pods that the Dask operator starts.

What is asked for is tested; a cluster was not at hand to run it on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask

from deploy.cluster import DASK_SETTINGS, WORKER_ENVIRONMENT
from deploy.dashboard import Show
from deploy.errors import MachineError
from deploy.machine import OVERHEAD, KubernetesMachine, seconds_of
from deploy.script import Work, as_variables


def cluster_spec(machine: KubernetesMachine, work: Work, name: str) -> dict[str, Any]:
    """Return the ``DaskCluster`` resource of a run.

    Parameters
    ----------
    machine
        The machine.
    work
        What is to be done; its folder lies in the store.
    name
        Name of the resource.
    """
    from dask_kubernetes.operator import make_cluster_spec

    memory = f"{round((machine.labels.memory or work.memory + OVERHEAD) * 1024)}Mi"
    size = {"cpu": "1", "memory": memory}
    spec: dict[str, Any] = make_cluster_spec(
        name,
        image=machine.image,
        n_workers=work.workers or machine.labels.jobs,
        resources={"requests": size, "limits": size},
        env=WORKER_ENVIRONMENT | as_variables(DASK_SETTINGS),
        worker_command=["python", "-m", "distributed.cli.dask_worker", "--nthreads", "1"],
    )
    store = work.folder.parents[1]
    pod = spec["spec"]["worker"]["spec"]
    pod["volumes"] = [{"name": "store", "persistentVolumeClaim": {"claimName": machine.claim}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "store", "mountPath": str(store)}]
    return spec


@contextmanager
def kubernetes_cluster(machine: KubernetesMachine, work: Work, show: Show | None = None) -> Iterator[str]:
    """Start pods, wait for a first worker, and yield the scheduler's address; the pods end with the context.

    What is given in ``show`` is told the address of the dashboard.

    Raises
    ------
    MachineError
        If the cluster cannot be reached, or no pod starts within the machine's patience.
    """
    from dask_kubernetes.operator import KubeCluster
    from distributed import Client

    spec = cluster_spec(machine, work, f"nmer-{work.name}-{uuid.uuid4().hex[:8]}")
    patience = seconds_of(machine.patience)
    settings = DASK_SETTINGS | {"distributed.scheduler.no-workers-timeout": f"{patience} seconds"}
    with dask.config.set(settings):
        try:
            cluster = KubeCluster(custom_cluster_spec=spec, namespace=machine.namespace, quiet=True)
        except Exception as error:  # whatever the Kubernetes client trips over
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise MachineError(f"the Kubernetes cluster cannot be used: {said}") from None
        with cluster, Client(cluster.scheduler_address) as client:
            try:
                if show is not None and cluster.dashboard_link:
                    show(cluster.dashboard_link)
                client.wait_for_workers(1, timeout=patience)
            except TimeoutError:
                raise MachineError(f"no pod started a worker within {machine.patience}") from None
            yield str(cluster.scheduler_address)
