"""What a cluster must have for a run, looked at before anything is submitted."""

from __future__ import annotations

from collections.abc import Iterable

from qsmflow.config.slurm import SLURM
from qsmflow.errors import UsageError

from .commands import Partition, partitions


def check_cluster(settings: SLURM, *, gpus: bool) -> None:
    """Refuse partitions, and with `gpus` a generic resource, that the cluster does not have.

    Raises
    ------
    UsageError
        One of them is not there.
    MissingProgramError
        SLURM's programs are not installed here.
    SlurmError
        The cluster does not answer.
    """
    found = {partition.name: partition for partition in partitions()}
    for flag, name in (("--slurm-partition", settings.partition), ("--slurm-gpu-partition", settings.gpu_partition)):
        for one in name.split(",") if name else ():
            if one not in found:
                raise UsageError(f"{flag} {one}: the cluster has no such partition; it has {', '.join(found)}")
    if not gpus:
        return
    name = settings.gpu_partition or settings.partition or next(iter(found))
    for one in name.split(","):
        if not any(_is(settings.gres, gres) for gres in found[one].gres):
            having = [p.name for p in found.values() if any(_is(settings.gres, gres) for gres in p.gres)]
            mend = f"take --slurm-gpu-partition {having[0]}" if having else f"it has {_all(found.values())}"
            raise UsageError(f"--slurm-gres {settings.gres}: partition {one} has no such resource; {mend}")


def _is(wanted: str, gres: str) -> bool:
    """Whether `wanted`, ``gpu`` or ``gpu:a100``, is in `gres`, such as ``gpu:a100:4(S:0-1)``."""
    words = gres.split("(")[0].split(":")
    return words[: wanted.count(":") + 1] == wanted.split(":")


def _all(found: Iterable[Partition]) -> str:
    names = {gres for partition in found for gres in partition.gres}
    return ", ".join(sorted(names)) or "none at all"
