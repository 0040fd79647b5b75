"""The scripts of jobs: what is asked of each batch system, and nothing that a shell takes for its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import dask
import pytest

from deploy.batch import cluster_class
from deploy.kubernetes import cluster_spec
from deploy.machine import BatchMachine, FitJob, KubernetesMachine, LabelJobs, Tls
from deploy.script import Work, as_variables, job_count, job_options, lifetime, python_command

HOSTILE = "a b'c\"d$(touch hacked);`touch hacked`&*"
WORK = Work(
    name="ch3-water", folder=Path("/store/scratch/dask"), workers=0, memory=3.0, seconds=6.0, timeout=600.0
)


def script(machine: BatchMachine, fit: bool = False, work: Work = WORK, tls: Tls | None = None) -> str:
    """Return the script of one job, as it would be submitted."""
    jobs = machine.fit if fit and machine.fit else machine.labels
    options = job_options(machine, jobs, work, tls, sys.executable)
    for name in ("scheduler_options", "shared_temp_directory"):
        del options[name]
    job = cluster_class(machine.system).job_cls(
        scheduler="tcp://127.0.0.1:1", name="nmer-0", config_name=machine.system, **options
    )
    return str(job.job_script())


HEADS = {
    "slurm": """
        #SBATCH -J nmer-ch3-water
        #SBATCH -p long
        #SBATCH -A chem
        #SBATCH --cpus-per-task=4
        #SBATCH --mem=14G
        #SBATCH -t 60:00:00
        #SBATCH --output=/dev/null
        #SBATCH --x=1""",
    "pbs": """
        #PBS -N nmer-ch3-water
        #PBS -q long
        #PBS -A chem
        #PBS -l select=1:ncpus=4:mem=14GB
        #PBS -l walltime=60:00:00
        #PBS -o /dev/null
        #PBS --x=1""",
    "lsf": """
        #BSUB -J nmer-ch3-water
        #BSUB -q long
        #BSUB -P "chem"
        #BSUB -n 4
        #BSUB -W 60:00
        #BSUB -o /dev/null
        #BSUB --x=1""",
    "sge": """
        #$ -N nmer-ch3-water
        #$ -q long
        #$ -P chem
        #$ -l h_rt=60:00:00
        #$ -pe smp 4
        #$ -o /dev/null
        #$ --x=1""",
}


@pytest.mark.parametrize("system", HEADS)
def test_the_head_of_a_script(system: str) -> None:
    jobs = LabelJobs(cores=4, walltime="2-12:00:00", queue="long", account="chem", directives=("--x=1",))
    text = script(BatchMachine(system=system, labels=jobs))  # type: ignore[arg-type]
    wanted = {line.strip() for line in HEADS[system].strip().splitlines()}
    assert wanted <= set(text.splitlines()), text
    last = text.strip().splitlines()[-1]
    assert "-m distributed.cli.dask_worker tcp://127.0.0.1:1 " in last
    assert "--nthreads 1 " in last and "--nworkers 4 " in last
    assert "--lifetime 205140s --lifetime-stagger 10800s" in last
    assert "--host 127.0.0.1" in last and "--interface" not in last
    for line in ("export OMP_NUM_THREADS=1", "export PYTHONSAFEPATH=1", "export OPENBLAS_NUM_THREADS=1"):
        assert line in text


@pytest.mark.parametrize(
    ("system", "skip", "gone"),
    [
        ("slurm", ("--mem",), "#SBATCH --mem"),
        ("slurm", ("-n", "--output"), "#SBATCH -n"),
        ("pbs", ("-l select",), "#PBS -l select"),
        ("lsf", ("-M",), "#BSUB -M"),
        ("sge", ("-l h_rt",), "#$ -l h_rt"),
    ],
)
def test_lines_that_a_profile_leaves_out(system: str, skip: tuple[str, ...], gone: str) -> None:
    with_them = script(BatchMachine(system=system)).splitlines()  # type: ignore[arg-type]
    text = script(BatchMachine(system=system, labels=LabelJobs(skip=skip))).splitlines()  # type: ignore[arg-type]
    lines = {line for line in with_them if line.startswith(tuple(f"{gone.split()[0]} {word}" for word in skip))}
    assert any(line.startswith(gone) for line in lines) and len(lines) == len(skip)
    assert set(with_them) - set(text) == lines


def test_memory_is_asked_for_in_one_way() -> None:
    jobs = LabelJobs(cores=2, directives=("--mem-per-cpu=3G",))
    heads = [
        line
        for line in script(BatchMachine(system="slurm", labels=jobs)).splitlines()
        if line.startswith("#SBATCH --mem")
    ]
    assert heads == ["#SBATCH --mem-per-cpu=3G"]


@pytest.mark.parametrize("option", ["", "mem", "--mem=3G", "--mem\n#SBATCH -x", "-", "--mem; rm"])
def test_only_options_are_left_out(option: str) -> None:
    with pytest.raises(ValueError, match="skip"):
        LabelJobs(skip=(option,))


def test_environment_of_a_script() -> None:
    machine = BatchMachine(
        system="slurm",
        interface="ib0",
        modules=("python/3.11", "gcc"),
        conda="my env",
        prologue=("ulimit -s unlimited",),
        fit=FitJob(cores=16, memory=64.0),
    )
    text = script(machine)
    order = [
        "module load python/3.11",
        "module load gcc",
        "conda activate 'my env'",
        "ulimit -s",
        "export OMP_NUM",
    ]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    last = text.strip().splitlines()[-1]
    assert last.startswith("python -m distributed") and "--interface ib0" in last and "--host" not in last
    fit = script(machine, fit=True)
    assert (
        "#SBATCH --cpus-per-task=16" in fit and "#SBATCH --mem=64G" in fit and "export MKL_NUM_THREADS=16" in fit
    )
    assert "--nthreads 16" in fit and "--nworkers" not in fit
    options = job_options(machine, machine.labels, WORK, None, "python")
    assert options["scheduler_options"]["interface"] == "ib0" and "host" not in options["scheduler_options"]
    apart = machine.model_copy(update={"scheduler_interface": "eth0"})
    assert job_options(apart, apart.labels, WORK, None, "")["scheduler_options"]["interface"] == "eth0"


def test_python_of_a_job() -> None:
    plain = BatchMachine(system="slurm")
    assert python_command(plain, Path("/store"), "/a b/python") == "'/a b/python'"
    own = plain.model_copy(update={"python": "/opt/py $x"})
    assert python_command(own, Path("/store"), "python") == "'/opt/py $x'"
    boxed = BatchMachine(system="slurm", container="/images/n mer.sif", binds=("/data",))
    assert python_command(boxed, Path("/store"), "python") == (
        "apptainer exec --bind /data --bind /store '/images/n mer.sif' python"
    )


@pytest.mark.parametrize("system", ["slurm", "pbs", "lsf", "sge"])
def test_nothing_of_a_store_reaches_a_shell_unquoted(system: str, tmp_path: Path) -> None:
    folder = tmp_path / HOSTILE
    keys = Tls(ca=f"{folder}/ca", cert=f"{folder}/cert", key=f"{folder}/key")
    machine = BatchMachine(system=system, scratch=f"{folder}/x")  # type: ignore[arg-type]
    work = Work(**{**vars(WORK), "folder": folder})
    text = script(machine, work=work, tls=keys)
    head, command = text.rsplit(f"{sys.executable} -m distributed.cli.dask_worker", 1)
    run = f'{head}\nenv > "{tmp_path}/seen"\nprintf "%s\\n" {command.strip()} > "{tmp_path}/words"\n'
    (tmp_path / "job.sh").write_text(run)
    subprocess.run(["bash", "job.sh"], cwd=tmp_path, check=True, env={"PATH": os.environ["PATH"]})
    assert not list(tmp_path.rglob("hacked"))
    seen = (tmp_path / "seen").read_text()
    assert f"DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY={folder}/key\n" in seen
    assert f"{folder}/x" in (tmp_path / "words").read_text().splitlines()
    assert (folder / "logs").is_dir() and list((folder / "logs").glob("job-*.log"))


def test_settings_come_back_as_they_were() -> None:
    settings = {"distributed.worker.memory.target": False, "distributed.nanny.pre-spawn-environ": {"A": "1"}}
    settings["distributed.scheduler.no-workers-timeout"] = "30 minutes"  # type: ignore[assignment]
    config = dask.config.collect_env(as_variables(settings))
    for key, value in settings.items():
        assert dask.config.get(key, config=config) == value


def test_jobs_and_their_life() -> None:
    four = LabelJobs(jobs=4, cores=3, walltime="1:00:00")
    asked = Work(**{**vars(WORK), "workers": 7})
    assert (job_count(four, WORK), job_count(four, asked), job_count(FitJob(), asked)) == (4, 3, 1)
    assert job_count(four, Work(**{**vars(WORK), "most": 2})) == 1
    assert lifetime(four, WORK) == (3600 - 60 - 180, 180)
    assert lifetime(four, Work(**{**vars(WORK), "seconds": 200.0})) == (3600 - 600 - 180, 180)
    assert lifetime(four, Work(**{**vars(WORK), "seconds": None})) == (3600 - 600 - 180, 180)
    assert lifetime(four, Work(**{**vars(WORK), "seconds": 5000.0})) == (1620, 180)


@pytest.mark.skipif(importlib.util.find_spec("dask_kubernetes") is None, reason="dask-kubernetes is an extra")
def test_pods() -> None:
    machine = KubernetesMachine(image="registry/nmer:1", claim="store", namespace="chem")
    spec = cluster_spec(machine, WORK, "nmer-x")["spec"]["worker"]
    (container,) = spec["spec"]["containers"]
    assert spec["replicas"] == 4 and container["image"] == "registry/nmer:1"
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "3584Mi"}
    assert container["volumeMounts"] == [{"name": "store", "mountPath": "/store"}]
    assert spec["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "store"}
    assert {"name": "PYTHONSAFEPATH", "value": "1"} in container["env"]
    assert container["args"][:5] == ["python", "-m", "distributed.cli.dask_worker", "--nthreads", "1"]


@pytest.mark.skipif(importlib.util.find_spec("dask_kubernetes") is None, reason="dask-kubernetes is an extra")
def test_pods_with_keys() -> None:
    machine = KubernetesMachine(image="registry/nmer:1", claim="store", namespace="chem")
    keys = Tls(ca="/store/ca", cert="/store/cert", key="/store/key")
    spec = cluster_spec(machine, WORK, "nmer-x", keys)["spec"]
    for part in ("worker", "scheduler"):
        (container,) = spec[part]["spec"]["containers"]
        assert container["volumeMounts"] == [{"name": "store", "mountPath": "/store"}]
        seen = {entry["name"]: entry["value"] for entry in container["env"]}
        config = dask.config.collect_env(seen)
        assert dask.config.get("distributed.comm.require-encryption", config=config) is True
        assert dask.config.get(f"distributed.comm.tls.{part}.key", config=config) == "/store/key"
    assert spec["scheduler"]["spec"]["containers"][0]["args"][-2:] == ["--protocol", "tls"]
    worker = {entry["name"]: entry["value"] for entry in spec["worker"]["spec"]["containers"][0]["env"]}
    assert worker["DASK_SCHEDULER_ADDRESS"] == "tls://nmer-x-scheduler.chem.svc.cluster.local:8786"
