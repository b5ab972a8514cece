"""Partitions, devices and sizes that a cluster does not have are refused, with those that it has."""

from __future__ import annotations

import pytest

from qsmflow.config.slurm import SLURM
from qsmflow.engines.resources import Need
from qsmflow.engines.slurm.checks import check_cluster, check_needs
from qsmflow.engines.slurm.commands import Kind, Partition
from qsmflow.errors import UsageError

CLUSTER = (
    Partition("cpu", (Kind(2, 64.0), Kind(16, 8.0)), minutes=120.0),
    Partition("gpu", (Kind(4, 32.0, ("gpu:a100:4(S:0-1)", "shard:8")), Kind(64, 512.0))),
)


@pytest.mark.parametrize(
    ("settings", "gpus"),
    [
        (SLURM(), False),
        (SLURM(partition="cpu,gpu"), False),
        (SLURM(gpu_partition="gpu"), True),
        (SLURM(partition="gpu", gres="gpu:a100"), True),
    ],
)
def test_what_is_there_passes(settings: SLURM, gpus: bool) -> None:
    check_cluster(settings, CLUSTER, gpus=gpus)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (SLURM(partition="fast"), "--slurm-partition fast: the cluster has no such partition; it has cpu, gpu"),
        (SLURM(gpu_partition="fast"), "--slurm-gpu-partition fast"),
        (SLURM(), "--slurm-gres gpu: partition cpu has no such resource; take --slurm-gpu-partition gpu"),
        (
            SLURM(gpu_partition="gpu", gres="gpu:h100"),
            "gpu:h100: partition gpu has no such resource; it has gpu:a100:4",
        ),
        (SLURM(gpu_partition="gpu", gres="gp"), "--slurm-gres gp: partition gpu has no such resource"),
    ],
)
def test_what_is_not_there_is_refused(settings: SLURM, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_cluster(settings, CLUSTER, gpus=True)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "need"),
    [
        (SLURM(), Need(cpus=16, memory_gb=8.0)),
        (SLURM(), Need(cpus=2, memory_gb=64.0)),
        (SLURM(partition="cpu,gpu"), Need(cpus=64, memory_gb=512.0)),
        (SLURM(start_minutes=10), Need(minutes=110.0)),
        (SLURM(start_minutes=10, extra="--time=60"), Need(minutes=111.0)),
        (SLURM(partition="cpu,gpu"), Need(minutes=1e4)),
        (SLURM(gpu_partition="gpu"), Need(gpus=1, cpus=4, memory_gb=32.0)),
    ],
)
def test_what_fits_on_a_machine_passes(settings: SLURM, need: Need) -> None:
    check_needs(settings, CLUSTER, {"a.b": need})


@pytest.mark.parametrize(
    ("settings", "need", "told"),
    [
        (
            SLURM(),
            Need(cpus=4, memory_gb=9.0),
            "a.b: asks for 4 CPUs, and no machine of partition cpu with the 9 GB that it needs has more than 2; "
            "take --omp-nthreads 2",
        ),
        (SLURM(), Need(memory_gb=65.0), "a.b: needs 65 GB, and no machine of partition cpu has more than 64 GB"),
        (SLURM(gpu_partition="gpu"), Need(gpus=1, memory_gb=33.0), "more than 32 GB; take another --slurm-gpu-part"),
        (
            SLURM(start_minutes=10),
            Need(minutes=111.0),
            "a.b: may take 121 min, and partition cpu allows 120; take another --slurm-partition, or "
            "--slurm-extra='--time=120' if that is enough",
        ),
    ],
)
def test_what_fits_on_no_machine_is_refused(settings: SLURM, need: Need, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_needs(settings, CLUSTER, {"a.b": need})
    assert told in str(caught.value)
