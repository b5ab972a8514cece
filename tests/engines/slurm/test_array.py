"""The job array: what a task asks, and that its words come back out of the shell as they went in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from qsmflow.cli.slurm import run_words
from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import SHARE
from qsmflow.engines.resources import BASE_GB, Need
from qsmflow.engines.slurm.array import array_script, need_of_task


def test_a_task_holds_its_largest_node_and_has_time_for_all() -> None:
    need = need_of_task([Need(1, 2.0, 0, 10), Need(2, 5.0, 1, 30)], cpus=4)
    assert (need.cpus, need.gpus, need.minutes) == (4, 1, 40)
    assert SHARE * need.memory_gb == pytest.approx(5.0 + BASE_GB)


def test_the_script_runs_one_subject_a_task(tmp_path: Path) -> None:
    needs = {"01": Need(2, 4.0, 0, 10), "B": Need(2, 8.0, 0, 5)}
    text = array_script(
        needs,
        ["my bids", "out", "participant", "--inversion", "tkd"],
        program="printf '<%s>'",
        settings=SLURM(partition="cpu", jobs=7, start_minutes=5),
        logs=tmp_path / "my logs",
        folder=tmp_path,
    )
    for line in ("--array=0-1%7", "--mem=7630M", "--time=15", "--cpus-per-task=2", "--partition=cpu"):
        assert f"#SBATCH {line}\n" in text
    said = subprocess.run(
        ["bash", "-c", text], env={"SLURM_ARRAY_TASK_ID": "1"}, capture_output=True, text=True, check=True
    ).stdout
    assert said == "<run><my bids><out><participant><--inversion><tkd><--participant-label><B>"


def test_words_of_the_script_and_of_slurm_are_not_the_tasks() -> None:
    words = ["in", "out", "participant", "--submit", "--slurm-partition", "cpu", "--gpu", "all", "--script", "x"]
    words += ["--participant-label", "01", "02", "-w", "work", "--program", "a b", "--registration-method", "flirt"]
    assert run_words(words) == [
        "in",
        "out",
        "participant",
        "--gpu",
        "all",
        "-w",
        "work",
        "--registration-method",
        "flirt",
    ]
