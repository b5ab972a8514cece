"""The job array: what a task asks, and that its words come back out of the shell as they went in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from qsmflow.cli.slurm import run_words
from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import SHARE
from qsmflow.engines.resources import BASE_GB, Need
from qsmflow.engines.slurm.array import TASKS, array_script, group_script, in_arrays, need_of_group, need_of_task
from qsmflow.errors import UsageError


def test_a_task_holds_its_largest_node_and_has_time_for_all() -> None:
    need = need_of_task([Need(1, 2.0, 0, 10), Need(2, 5.0, 1, 30)])
    assert (need.cpus, need.gpus, need.minutes) == (2, 1, 40)
    assert SHARE * need.memory_gb == pytest.approx(5.0 + BASE_GB)


def test_what_the_user_says_of_a_task_is_taken_as_it_is() -> None:
    need = need_of_task([Need(2, 5.0, 0, 30)], cpus=4, memory_gb=3.0)
    assert (need.cpus, need.memory_gb) == (4, 3.0)


def test_the_script_runs_one_subject_a_task(tmp_path: Path) -> None:
    needs = {"01": Need(2, 4.0, 0, 10), "B": Need(2, 8.0, 0, 5)}
    text = array_script(
        needs,
        ["my bids", "out", "participant", "--inversion", "tkd"],
        name="qsmflow-12",
        program="printf '<%s>'",
        settings=SLURM(partition="cpu", jobs=7, start_minutes=5),
        logs=tmp_path / "my logs",
        folder=tmp_path,
    )
    for line in (
        "--job-name=qsmflow-12",
        "--array=0-1%7",
        "--mem=7630M",
        "--time=15",
        "--cpus-per-task=2",
        "--partition=cpu",
    ):
        assert f"#SBATCH {line}\n" in text
    said = subprocess.run(
        ["bash", "-c", text], env={"SLURM_ARRAY_TASK_ID": "1"}, capture_output=True, text=True, check=True
    ).stdout
    assert said == "<run><my bids><out><participant><--inversion><tkd><--participant-label><B>"


def test_the_group_step_waits_for_all_jobs_of_its_name(tmp_path: Path) -> None:
    text = group_script(
        ["my bids", "out", "group"],
        name="qsmflow-12",
        program="printf '<%s>'",
        settings=SLURM(partition="cpu", start_minutes=5),
        logs=tmp_path,
        folder=tmp_path,
        subjects=100,
    )
    for line in ("--job-name=qsmflow-12", "--dependency=singleton", "--partition=cpu"):
        assert f"#SBATCH {line}\n" in text
    assert "--array" not in text
    said = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True).stdout
    assert said == "<run><my bids><out><group>"


def of_folder(logs: Path) -> str:
    return group_script(
        ["in"], name="qsmflow-12", program="true", settings=SLURM(), logs=logs, folder=Path("/"), subjects=1
    )


def test_sbatch_replaces_nothing_in_the_name_of_the_folder() -> None:
    assert "#SBATCH --output=/my%%job/logs/%j_group.out\n" in of_folder(Path("/my%job/logs"))


@pytest.mark.parametrize("name", ["a\\b", "a\nb"])
def test_a_folder_that_sbatch_cannot_be_told_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="sbatch takes no folder with a backslash"):
        of_folder(Path("/") / name)


def test_the_group_step_asks_for_more_where_there_are_more() -> None:
    few, many = need_of_group(1), need_of_group(5000)
    assert few.memory_gb < many.memory_gb and few.minutes < many.minutes


def test_more_subjects_than_an_array_may_have_are_several_arrays() -> None:
    needs = {f"{number:04d}": Need(minutes=number) for number in range(2 * TASKS + 1)}
    arrays = list(in_arrays(needs))
    assert [len(some) for some in arrays] == [TASKS, TASKS, 1]
    assert {label: need for some in arrays for label, need in some.items()} == needs


def test_words_of_the_script_and_of_slurm_are_not_the_tasks() -> None:
    words = ["in", "out", "participant", "--submit", "--slurm-partition", "cpu", "--gpu", "all", "--script", "x"]
    words += ["--participant-label", "01", "02", "-w", "work", "--program", "a b", "--registration-method", "flirt"]
    words += ["--nprocs", "8", "--mem", "64", "--dry-run"]
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
