"""Defaults of what SLURM is asked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from qsmflow.settings import ConfigError, Settings, setting

#: Options of sbatch that every job has already, and what to do instead of giving them once more.
_GIVEN = {
    ("--time", "-t"): "take --slurm-max-minutes",
    ("--partition", "-p"): "take --slurm-partition or --slurm-gpu-partition",
    ("--cpus-per-task", "-c"): "take --slurm-cpus",
    ("--gres",): "take --slurm-gres",
    ("--mem", "--mem-per-cpu", "--mem-per-gpu"): "a job asks for the memory that its stage needs",
    ("--clusters", "-M"): "run qsmflow on that cluster",
    ("--job-name", "-J"): "jobs are known by the names that they are given",
    ("--output", "-o"): "what jobs print is looked for where they are told to write it",
    ("--dependency", "-d"): "jobs of one node wait for each other by it",
}


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
    max_minutes: int = setting(0, "most minutes that a job asks for, whatever its stage may take; 0: no limit", low=0)
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

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            words = shlex.split(self.extra)
        except ValueError as error:
            raise ConfigError(f"extra: --slurm-extra {self.extra!r}: {str(error).lower()}") from error
        for word in words:
            if mend := _given(word):
                raise ConfigError(f"extra: --slurm-extra {word}: qsmflow says that to sbatch itself; {mend}")


def _given(word: str) -> str:
    """What to do instead of giving `word` to sbatch, which takes the beginning of a long name for all of it."""
    name = word.split("=")[0]
    for options, mend in _GIVEN.items():
        for option in options:
            if option.startswith(name) if name.startswith("--") else len(option) == 2 and name.startswith(option):
                return mend
    return ""
