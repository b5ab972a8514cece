"""The words that submit a node say what its record says."""

from __future__ import annotations

from pathlib import Path

import pytest
from nipype import IdentityInterface, Node

from qsmflow.config.slurm import SLURM
from qsmflow.engines.resources import Need
from qsmflow.engines.slurm.task import Task, is_job, limit_minutes


def options(need: Need, settings: SLURM) -> list[str]:
    node = Node(IdentityInterface(["a"]), "vsharp")
    return Task(node, need, Path("jobs"), 1).options(settings, "qsmflow-1.vsharp")


def test_cpus_memory_and_time_are_those_of_the_record() -> None:
    words = options(Need(cpus=3, memory_gb=2.0, minutes=7.2), SLURM(start_minutes=5))
    assert {"--cpus-per-task=3", "--mem=1908M", "--time=13", "--job-name=qsmflow-1.vsharp"} <= set(words)
    assert not [word for word in words if "partition" in word or "gres" in word or "account" in word]


@pytest.mark.parametrize(
    ("gpus", "given", "placed"),
    [
        (0, {"partition": "cpu", "gpu_partition": "gpu"}, ["--partition=cpu"]),
        (1, {"partition": "cpu", "gpu_partition": "gpu"}, ["--partition=gpu", "--gres=gpu:1"]),
        (1, {"partition": "all", "gres": "gpu:a100"}, ["--partition=all", "--gres=gpu:a100:1"]),
        (
            0,
            {"account": "lab", "extra": "--qos=long '--comment=two words'"},
            ["--account=lab", "--qos=long", "--comment=two words"],
        ),
    ],
)
def test_only_what_uses_a_gpu_is_sent_to_one(gpus: int, given: dict[str, str], placed: list[str]) -> None:
    assert options(Need(gpus=gpus), SLURM(**given))[-len(placed) :] == placed
    assert gpus or not [word for word in options(Need(), SLURM(**given)) if "gres" in word]


def test_all_memory_of_a_machine_is_asked_as_it_was_told() -> None:
    for megabytes in range(1000, 1100):
        assert f"--mem={megabytes}M" in options(Need(memory_gb=megabytes * 2**20 / 1e9), SLURM())


def test_no_job_asks_for_more_time_than_the_settings_allow() -> None:
    assert limit_minutes(Need(minutes=100), SLURM(start_minutes=5, max_minutes=60)) == 60
    assert limit_minutes(Need(minutes=10), SLURM(start_minutes=5, max_minutes=60)) == 15


def test_a_limit_is_a_minute_at_least() -> None:
    assert limit_minutes(Need(minutes=0), SLURM(start_minutes=0)) == 1


@pytest.mark.parametrize(("need", "job"), [(Need(minutes=0.2), False), (Need(minutes=2), True), (Need(gpus=1), True)])
def test_nodes_of_seconds_without_a_gpu_are_no_jobs(need: Need, job: bool) -> None:
    assert is_job(need, SLURM(local_minutes=1)) is job
