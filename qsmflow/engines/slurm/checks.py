"""What a cluster must have for a run, and must not, looked at before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qsmflow.config.slurm import SLURM
from qsmflow.engines.resources import Need
from qsmflow.errors import MissingProgramError, UsageError

from .commands import Kind, Partition, SlurmError, queue
from .task import job_name, limit_minutes


def check_cluster(settings: SLURM, cluster: Sequence[Partition], *, gpus: bool) -> None:
    """Refuse partitions, and with `gpus` a generic resource, that `cluster` does not have.

    Raises
    ------
    UsageError
        One of them is not there, or down, or the cluster has none at all.
    """
    if not cluster:
        raise UsageError("SLURM: sinfo lists no partition; ask those who keep the cluster, or take --plugin MultiProc")
    found = {partition.name: partition for partition in cluster}
    up = ", ".join(partition.name for partition in cluster if partition.up) or "none"
    for flag, name in (("--slurm-partition", settings.partition), ("--slurm-gpu-partition", settings.gpu_partition)):
        for one in name.split(",") if name else ():
            if one not in found:
                raise UsageError(f"{flag} {one}: the cluster has no such partition; it has {', '.join(found)}")
    for which, flag in ((False, "--slurm-partition"), (True, "--slurm-gpu-partition")):
        taken = _partitions_for(settings, found, gpus=which) if gpus or not which else []
        if taken and not any(partition.up for partition in taken):
            names = ",".join(partition.name for partition in taken)
            raise UsageError(f"{flag}: partition {names} is down; those that are up: {up}")
    if not gpus:
        return
    for partition in _partitions_for(settings, found, gpus=True):
        if not _having(settings.gres, partition.kinds):
            having = [other.name for other in found.values() if other.up and _having(settings.gres, other.kinds)]
            mend = f"take --slurm-gpu-partition {having[0]}" if having else f"it has {_all(found.values())}"
            raise UsageError(f"--slurm-gres {settings.gres}: partition {partition.name} has no such resource; {mend}")


def check_needs(settings: SLURM, cluster: Sequence[Partition], needs: Mapping[str, Need]) -> None:
    """Refuse jobs that fit on no machine of their partition of `cluster`; `needs` are what they ask, by their names.

    The partitions must be there (`check_cluster`).

    Raises
    ------
    UsageError
        A job asks for more memory or more CPUs than any machine has, or for more time than the partition allows.
    """
    for name, need in needs.items():
        taken, kinds = _places_for(need, settings, cluster)
        flag = "--slurm-gpu-partition" if need.gpus else "--slurm-partition"
        there = f"partition {','.join(partition.name for partition in taken)}"
        where = f"machine of {there}"
        roomy = [kind for kind in kinds if kind.memory_gb >= need.memory_gb]
        if not roomy:
            most = max(kind.memory_gb for kind in kinds)
            raise UsageError(
                f"{name}: needs {need.memory_gb:.2g} GB, and no {where} has more than {most:.2g} GB; "
                f"take another {flag}"
            )
        minutes, allowed = limit_minutes(need, settings), max(partition.minutes for partition in taken)
        if minutes > allowed:
            raise UsageError(
                f"{name}: may take {minutes} min, and {there} allows {allowed:g}; take another {flag}, or "
                f"--slurm-max-minutes {int(allowed)} if that is enough"
            )
        cpus = max(kind.cpus for kind in roomy)
        if cpus < need.cpus:
            raise UsageError(
                f"{name}: asks for {need.cpus} CPUs, and no {where} with the {need.memory_gb:.2g} GB that it needs has "
                f"more than {cpus}; take --omp-nthreads {cpus}"
            )


def check_no_jobs(folder: Path, nodes: Iterable[str]) -> None:
    """Refuse to compute `nodes`, full names, without SLURM while jobs of a run that was killed may compute them.

    `folder` is that of the plugin. Where SLURM does not answer, nothing is refused.

    Raises
    ------
    UsageError
        There are such jobs.
    """
    if not (folder / "jobs").is_dir():
        return
    names = {job_name(folder, node) for node in nodes}
    try:
        left = sorted(job for job, queued in queue().items() if queued.name in names)
    except (SlurmError, MissingProgramError):
        return
    if left:
        ids = " ".join(map(str, left))
        raise UsageError(
            f"jobs {ids}: left by a run that was killed, compute the same nodes; go on with --plugin SLURM, or end "
            f"them with: scancel {ids}"
        )


def most_for(need: Need, settings: SLURM, cluster: Sequence[Partition]) -> tuple[float, float]:
    """Most memory, GB, and most time, minutes, that a job of that `need` can have where it goes in `cluster`."""
    taken, kinds = _places_for(need, settings, cluster)
    minutes = max(partition.minutes for partition in taken)
    memory_gb = max(kind.memory_gb for kind in kinds if kind.cpus >= need.cpus)
    return memory_gb, min(minutes, settings.max_minutes or minutes)


def _places_for(need: Need, settings: SLURM, cluster: Sequence[Partition]) -> tuple[list[Partition], list[Kind]]:
    """The partitions where a job of that `need` goes, and the kinds of their machines that have the device it asks."""
    found = {partition.name: partition for partition in cluster}
    taken = _partitions_for(settings, found, gpus=bool(need.gpus))
    kinds = [kind for partition in taken for kind in partition.kinds]
    return taken, _having(settings.gres, kinds) if need.gpus else kinds


def _partitions_for(settings: SLURM, found: Mapping[str, Partition], *, gpus: bool) -> list[Partition]:
    """Where jobs go, with `gpus` those that use one: without a name to the first of the cluster.

    Of several those that are down are left out, unless all are.
    """
    name = settings.gpu_partition or settings.partition if gpus else settings.partition
    every = [found[one] for one in (name or next(iter(found))).split(",")]
    return [partition for partition in every if partition.up] or every


def _having(wanted: str, kinds: Iterable[Kind]) -> list[Kind]:
    """Those of `kinds` that have `wanted`."""
    return [kind for kind in kinds if any(_is(wanted, gres) for gres in kind.gres)]


def _is(wanted: str, gres: str) -> bool:
    """Whether `wanted`, ``gpu`` or ``gpu:a100``, is in `gres`, such as ``gpu:a100:4(S:0-1)``."""
    words = gres.split("(")[0].split(":")
    return words[: wanted.count(":") + 1] == wanted.split(":")


def _all(found: Iterable[Partition]) -> str:
    names = {gres for partition in found for kind in partition.kinds for gres in kind.gres}
    return ", ".join(sorted(names)) or "none at all"
