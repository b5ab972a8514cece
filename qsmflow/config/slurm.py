"""Defaults of what SLURM is asked."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting


@dataclass(frozen=True)
class SLURM(Settings):
    """How jobs are submitted and watched."""

    partition: str = setting("", "partition of the jobs; without it that of the cluster")
    gpu_partition: str = setting("", "partition of the jobs that use a GPU; without it that of all")
    gres: str = setting("gpu", "name of the generic resource that a GPU is; may have a type, such as gpu:a100")
    account: str = setting("", "account to charge; without it that of the user")
    extra: str = setting("", "more words for sbatch, such as '--qos=long --exclude=node7'")
    cpus: int = setting(8, "most CPUs of one job", low=1)
    start_minutes: float = setting(
        5.0, "time limit of a job beside that of its stage, minutes: Python starts slowly from a busy disk", low=0
    )
    retries: int = setting(
        2,
        "how often a job is submitted again with twice the memory, twice the time, or as it was, where it ended by "
        "its limits or by a failing node; a preempted one always is",
        low=0,
    )
    jobs: int = setting(500, "most nodes of the graph that are in the queue or computed here at once", low=1)
    local_minutes: float = setting(
        1.0, "nodes with a time limit of so many minutes are computed where qsmflow runs, and are no jobs", low=0
    )
    local_processes: int = setting(2, "processes for these", low=1)
    poll: float = setting(10.0, "seconds between two calls of squeue, one for all jobs", above=0)
    settle: float = setting(60.0, "seconds to wait for a file of another machine to be seen on a shared disk", low=0)
