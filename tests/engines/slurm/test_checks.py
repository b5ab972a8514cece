"""Partitions and devices that a cluster does not have are refused, with those that it has."""

from __future__ import annotations

import pytest

from qsmflow.config.slurm import SLURM
from qsmflow.engines.slurm import checks
from qsmflow.engines.slurm.checks import check_cluster
from qsmflow.engines.slurm.commands import Partition
from qsmflow.errors import UsageError

CLUSTER = [Partition("cpu", ()), Partition("gpu", ("gpu:a100:4(S:0-1)", "shard:8"))]


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "partitions", lambda: CLUSTER)


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
    check_cluster(settings, gpus=gpus)


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
        check_cluster(settings, gpus=True)
    assert told in str(caught.value)
