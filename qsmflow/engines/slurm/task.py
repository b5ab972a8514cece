"""One node on its way through the queue: its files, and the words that submit it."""

from __future__ import annotations

import hashlib
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from nipype.pipeline.engine import Node
from nipype.utils.filemanip import savepkl

from qsmflow.config.slurm import SLURM
from qsmflow.engines.resources import Need


def common_name(folder: Path) -> str:
    """How the names of jobs begin that work for `folder`, and of no others."""
    return f"qsmflow-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def job_name(folder: Path, node: str) -> str:
    """Name of the job of the node of that full name, whose plugin works in `folder`."""
    return f"{common_name(folder)}.{node}"


@dataclass
class Task:
    """A node that is to be a job, or is one.

    Attributes
    ----------
    node
        The node.
    need
        What its job asks; more after one that ended by its limits.
    folder
        Of its script, its node and what it prints.
    left
        How often it may be submitted again.
    job
        Id of the job; None while it is not submitted.
    gone
        When SLURM was first seen to list it no longer, in seconds of the monotonic clock.
    """

    node: Node
    need: Need
    folder: Path
    left: int
    job: int | None = None
    gone: float | None = None

    @property
    def script(self) -> Path:
        """What sbatch is given."""
        return self.folder / "job.sh"

    @property
    def log(self) -> Path:
        """What the job prints."""
        return self.folder / f"{self.job}.out"

    def write(self, outcomes: Path, settle: float) -> None:
        """Write the node and the script that runs it; its outcome comes into the folder `outcomes`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "node.pklz"
        savepkl(str(file), {"node": self.node, "outcomes": str(outcomes), "settle": settle})
        words = shlex.join([sys.executable, "-m", "qsmflow.engines.slurm.job", str(file)])
        self.script.write_text(f"#!/bin/bash\nexec {words}\n")

    def options(self, settings: SLURM, name: str) -> list[str]:
        """The options of sbatch; `name` is that of the job.

        Of jobs with the same name SLURM runs one at a time. So a node that a run which was killed has left in the queue
        never runs beside the one that a later run submits; that finds it finished.
        """
        words = [
            f"--job-name={name}",
            "--dependency=singleton",
            "--no-requeue",
            "--open-mode=append",
            output_option(self.folder, "%j.out"),
        ]
        return words + requested(self.need, settings)


def is_job(need: Need, settings: SLURM) -> bool:
    """Whether a node is worth a job; others are computed where the graph is."""
    return need.minutes > settings.local_minutes or need.gpus > 0


def limit_minutes(need: Need, settings: SLURM) -> int:
    """Time limit of a job, whole minutes, which is how finely SLURM counts; no more than the settings allow."""
    minutes = max(1, math.ceil(need.minutes + settings.start_minutes))
    return min(minutes, settings.max_minutes or minutes)


def output_option(folder: Path, name: str) -> str:
    """The option of sbatch for what a job prints: into `name`, a pattern of sbatch, in `folder`, which is none."""
    return f"--output={str(folder).replace('%', '%%')}/{name}"


def requested(need: Need, settings: SLURM) -> list[str]:
    """Options of sbatch that say what a job may use, where it runs and who pays."""
    words = [
        f"--cpus-per-task={need.cpus}",
        # all that a machine has comes back as it was, without a trifle more
        f"--mem={math.ceil(round(need.memory_gb * 1e9 / 2**20, 3))}M",
        f"--time={limit_minutes(need, settings)}",
    ]
    partition = settings.gpu_partition or settings.partition if need.gpus else settings.partition
    words += [f"--partition={partition}"] if partition else []
    words += [f"--gres={settings.gres}:{need.gpus}"] if need.gpus else []
    words += [f"--account={settings.account}"] if settings.account else []
    return words + shlex.split(settings.extra)
