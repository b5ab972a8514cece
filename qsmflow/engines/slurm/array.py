"""The scripts of a job array in which each task is the whole run of one subject, and of the group step behind it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import qsmflow
from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import SHARE
from qsmflow.engines.resources import BASE_GB, Need
from qsmflow.errors import UsageError

from .task import output_option, requested

#: Tasks that SLURM allows in one array, unless its administrator says otherwise.
TASKS = 1000


def need_of_task(nodes: Iterable[Need], *, cpus: int | None = None, memory_gb: float | None = None) -> Need:
    """What a task asks that computes all of `nodes`: CPUs and memory of the largest and the time of all, one by one.

    Beside the nodes there is the process that holds the graph, and a run takes no more than a share of what it has.
    `cpus` and `memory_gb`, GB, are the user's own words, which are taken as they are.
    """
    every = list(nodes)
    return Need(
        cpus=cpus or max(need.cpus for need in every),
        memory_gb=memory_gb or (max(need.memory_gb for need in every) + BASE_GB) / SHARE,
        gpus=max(need.gpus for need in every),
        minutes=sum(need.minutes for need in every),
    )


def need_of_group(subjects: int) -> Need:
    """What the group step asks that reads the tables of so many subjects."""
    return Need(memory_gb=(BASE_GB + 0.001 * subjects) / SHARE, minutes=5 + 0.01 * subjects)


def in_arrays(needs: Mapping[str, Need]) -> Iterator[dict[str, Need]]:
    """The `needs` of so many subjects at a time as one array may have tasks."""
    labels = list(needs)
    for first in range(0, len(labels), TASKS):
        yield {label: needs[label] for label in labels[first : first + TASKS]}


def array_script(
    needs: Mapping[str, Need],
    words: Sequence[str],
    *,
    name: str,
    program: str,
    settings: SLURM,
    logs: Path,
    folder: Path,
) -> str:
    """A script for sbatch: one subject a task.

    Parameters
    ----------
    needs
        What the task of each subject asks, by label, `TASKS` at most; a job array asks one thing for all, so the most
        of any is taken.
    words
        Arguments of ``qsmflow run``, without the labels of subjects.
    name
        Of the job.
    program
        What starts qsmflow on the cluster.
    settings
        Of SLURM.
    logs
        Folder for what the tasks print; must be there when the script is submitted.
    folder
        Where the tasks start, to which relative paths in `words` refer.

    Raises
    ------
    UsageError
        sbatch cannot be told one of the folders.
    """
    most = Need(
        cpus=max(need.cpus for need in needs.values()),
        memory_gb=max(need.memory_gb for need in needs.values()),
        gpus=max(need.gpus for need in needs.values()),
        minutes=max(need.minutes for need in needs.values()),
    )
    return _script(
        f"One subject a task; written by qsmflow {qsmflow.__version__}. What is finished is not done again:\n"
        "# submit this script once more to go on after any fault.",
        [f"--job-name={name}", f"--array=0-{len(needs) - 1}%{settings.jobs}", *requested(most, settings)],
        folder,
        logs,
        "%A_%a.out",
        f"subjects=({' '.join(needs)})\n"
        f"exec {program} run {shlex.join(words)} --participant-label ${{subjects[$SLURM_ARRAY_TASK_ID]}}",
    )


def group_script(
    words: Sequence[str], *, name: str, program: str, settings: SLURM, logs: Path, folder: Path, subjects: int
) -> str:
    """A script for sbatch: the group step, which begins when no job of the same name that came before is left.

    However those ended: what failed is told on the group's page. `subjects` says how many there may be; the other
    parameters are those of `array_script`, and `words` are all arguments of ``qsmflow run``.
    """
    return _script(
        f"The page and tables of the cohort; written by qsmflow {qsmflow.__version__}. Submitted behind the subjects,\n"
        "# it waits until the last of them has ended.",
        [f"--job-name={name}", "--dependency=singleton", *requested(need_of_group(subjects), settings)],
        folder,
        logs,
        "%j_group.out",
        f"exec {program} run {shlex.join(words)}",
    )


def _script(comment: str, options: Sequence[str], folder: Path, logs: Path, output: str, command: str) -> str:
    for path in (folder, logs):
        # with a backslash anywhere sbatch takes the name of the output as it stands, without the ids of the jobs
        if "\\" in str(path) or "\n" in str(path):
            raise UsageError(f"{str(path)!r}: sbatch takes no folder with a backslash or a new line; rename it")
    every = [*options, f"--chdir={folder}", output_option(logs, output)]
    lines = ["#!/bin/bash", f"# {comment}", *(f"#SBATCH {shlex.quote(option)}" for option in every), "", command]
    return "\n".join(lines) + "\n"
