"""Partitions, devices and sizes that a cluster does not have are refused, with those that it has."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from qsmflow.config.slurm import SLURM
from qsmflow.engines.resources import Need
from qsmflow.engines.slurm.checks import check_cluster, check_needs, most_for
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
    ("settings", "told"),
    [
        (SLURM(), "--slurm-partition: partition cpu is down; those that are up: gpu"),
        (SLURM(partition="cpu"), "--slurm-partition: partition cpu is down"),
        (SLURM(partition="gpu", gpu_partition="cpu"), "--slurm-gpu-partition: partition cpu is down"),
    ],
)
def test_a_partition_that_is_down_is_refused(settings: SLURM, told: str) -> None:
    cluster = (replace(CLUSTER[0], up=False), CLUSTER[1])
    with pytest.raises(UsageError, match=told):
        check_cluster(settings, cluster, gpus=True)
    check_cluster(SLURM(partition="cpu,gpu"), cluster, gpus=True)


def test_of_partitions_of_which_one_is_down_the_others_count() -> None:
    cluster = (CLUSTER[0], replace(CLUSTER[1], up=False))
    with pytest.raises(UsageError, match="no machine of partition cpu has more than 64 GB"):
        check_needs(SLURM(partition="cpu,gpu"), cluster, {"a.b": Need(memory_gb=65.0)})


def test_most_that_a_job_can_have() -> None:
    assert most_for(Need(), SLURM(), CLUSTER) == (64.0, 120.0)
    assert most_for(Need(cpus=4), SLURM(max_minutes=60), CLUSTER) == (8.0, 60)
    assert most_for(Need(gpus=1), SLURM(gpu_partition="gpu"), CLUSTER) == (32.0, inf)


@pytest.mark.parametrize(
    ("settings", "need"),
    [
        (SLURM(), Need(cpus=16, memory_gb=8.0)),
        (SLURM(), Need(cpus=2, memory_gb=64.0)),
        (SLURM(partition="cpu,gpu"), Need(cpus=64, memory_gb=512.0)),
        (SLURM(start_minutes=10), Need(minutes=110.0)),
        (SLURM(start_minutes=10, max_minutes=120), Need(minutes=111.0)),
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
            "--slurm-max-minutes 120 if that is enough",
        ),
    ],
)
def test_what_fits_on_no_machine_is_refused(settings: SLURM, need: Need, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_needs(settings, CLUSTER, {"a.b": need})
    assert told in str(caught.value)


def test_a_cluster_without_partitions_is_told() -> None:
    with pytest.raises(UsageError, match="sinfo lists no partition"):
        check_cluster(SLURM(), (), gpus=False)
