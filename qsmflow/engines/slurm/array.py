"""The script of a job array in which each task is the whole run of one subject."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import qsmflow
from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import SHARE
from qsmflow.engines.resources import BASE_GB, Need

from .task import requested


def need_of_task(nodes: Iterable[Need], cpus: int) -> Need:
    """What a task asks that computes all of `nodes`: the memory of the largest and the time of all, one by one.

    Beside the nodes there is the process that holds the graph, and a run takes no more than a share of what it has.
    """
    every = list(nodes)
    return Need(
        cpus=cpus,
        memory_gb=(max(need.memory_gb for need in every) + BASE_GB) / SHARE,
        gpus=max(need.gpus for need in every),
        minutes=sum(need.minutes for need in every),
    )


def array_script(
    needs: Mapping[str, Need], words: Sequence[str], *, program: str, settings: SLURM, logs: Path, folder: Path
) -> str:
    """A script for sbatch.

    Parameters
    ----------
    needs
        What the task of each subject asks, by label; a job array asks one thing for all, so the most of any is taken.
    words
        Arguments of ``qsmflow run``, without the labels of subjects.
    program
        What starts qsmflow on the cluster.
    settings
        Of SLURM.
    logs
        Folder for what the tasks print; must be there when the script is submitted.
    folder
        Where the tasks start, to which relative paths in `words` refer.
    """
    most = Need(
        cpus=max(need.cpus for need in needs.values()),
        memory_gb=max(need.memory_gb for need in needs.values()),
        gpus=max(need.gpus for need in needs.values()),
        minutes=max(need.minutes for need in needs.values()),
    )
    options = [
        "--job-name=qsmflow",
        f"--array=0-{len(needs) - 1}%{settings.jobs}",
        *requested(most, settings),
        f"--chdir={folder}",
        f"--output={logs}/%A_%a.out",
    ]
    lines = [
        "#!/bin/bash",
        f"# One subject a task; written by qsmflow {qsmflow.__version__}. What is finished is not done again:",
        "# submit this script once more to go on after any fault.",
        *(f"#SBATCH {shlex.quote(option)}" for option in options),
        "",
        f"subjects=({' '.join(needs)})",
        f"exec {program} run {shlex.join(words)} --participant-label ${{subjects[$SLURM_ARRAY_TASK_ID]}}",
    ]
    return "\n".join(lines) + "\n"
