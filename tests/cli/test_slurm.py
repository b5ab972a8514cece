"""``qsmflow slurm``: the scripts that it writes, and what it submits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qsmflow.cli.main import main
from qsmflow.engines.slurm import array
from tests.builders import make_bids
from tests.engines.slurm.programs import Programs


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    (tmp_path / "bin").mkdir()
    made = Programs(tmp_path / "bin", monkeypatch)
    made.add("sinfo", "cpu*|up|infinite|idle|8|64000|(null)\n")
    made.add("sbatch", "7\n")
    return made


def slurm(root: Path, *words: str, inversion: str = "tkd") -> int:
    return main(["slurm", str(root / "bids"), str(root / "out"), "participant", "--inversion", inversion, *words])


def script(root: Path) -> str:
    return (root / "out" / "logs" / "slurm.sh").read_text()


def test_the_group_is_submitted_behind_all_arrays(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(array, "TASKS", 2)
    make_bids(tmp_path / "bids", subjects=("01", "02", "03"))
    assert slurm(tmp_path, "--skip-bids-validation", "--submit") == 0
    logs = tmp_path / "out" / "logs"
    assert programs.words("sbatch") == [
        f"--parsable {logs / name}" for name in ("slurm.sh", "slurm-2.sh", "slurm-group.sh")
    ]
    first, second, group = ((logs / name).read_text() for name in ("slurm.sh", "slurm-2.sh", "slurm-group.sh"))
    assert "subjects=(01 02)" in first and "subjects=(03)" in second
    (name,) = {line for text in (first, second, group) for line in text.splitlines() if "--job-name" in line}
    assert name.startswith("#SBATCH --job-name=qsmflow-")
    assert f"run {tmp_path / 'bids'} {tmp_path / 'out'} group\n" in group
    assert len(programs.words("sinfo")) == 1
    assert "3 tasks" in capsys.readouterr().out


def test_what_to_type_submits_the_same(tmp_path: Path, programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    make_bids(tmp_path / "bids")
    path = tmp_path / "my scripts" / "all.sh"
    assert slurm(tmp_path, "--skip-bids-validation", "--script", str(path)) == 0
    assert f"sbatch '{path}'; sbatch '{path.with_name('all-group.sh')}'\n" in capsys.readouterr().out


def test_the_dataset_is_validated_once_and_not_by_each_task(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr("qsmflow.bids.validator.run_validator", lambda path: looked.append(path) or "no error")
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path) == 0
    assert looked == [tmp_path / "bids"]
    assert "no error" in capsys.readouterr().out
    for words in ([], ["--skip-bids-validation"]):
        assert slurm(tmp_path, *words) == 0
        (line,) = [line for line in script(tmp_path).splitlines() if line.startswith("exec ")]
        assert line.split().count("--skip-bids-validation") == 1


@pytest.mark.parametrize(
    ("words", "cpus", "inversion"),
    [
        ((), 2, "tkd"),
        ((), 8, "qsmnet"),
        (("--omp-nthreads", "1"), 1, "qsmnet"),
        (("--slurm-cpus", "4"), 4, "tkd"),
        (("--nprocs", "6", "--omp-nthreads", "2"), 6, "tkd"),
    ],
)
def test_a_task_asks_for_the_cpus_that_it_can_use_or_those_that_the_user_says(
    words: tuple[str, ...], cpus: int, inversion: str, tmp_path: Path, programs: Programs
) -> None:
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path, "--skip-bids-validation", *words, inversion=inversion) == 0
    assert f"#SBATCH --cpus-per-task={cpus}\n" in script(tmp_path)


def test_cpus_and_memory_of_the_user_are_those_of_the_job(tmp_path: Path, programs: Programs) -> None:
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path, "--skip-bids-validation", "--nprocs", "8", "--omp-nthreads", "2", "--mem", "64") == 0
    text = script(tmp_path)
    assert "#SBATCH --cpus-per-task=8\n" in text and "#SBATCH --mem=61036M\n" in text
    assert "--nprocs" not in text and "--mem 64" not in text and "--omp-nthreads 2" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--plugin", "SLURM"), "--plugin SLURM: each task computes its nodes"),
        (("--plugin", "Linear"), "--plugin Linear: each task computes its nodes"),
        (("--boilerplate-only",), "--boilerplate-only: is for one process"),
        (("--reports-only",), "--reports-only: is for one process"),
        (("--write-graph",), "--write-graph: is for one process"),
        (("--slurm-cpus", "-1"), "--slurm-cpus: -1 is below 1"),
        (("--slurm-start-minutes", "-1"), "--slurm-start-minutes: -1.0 is below 0"),
        (("--slurm-partition", "fast"), "--slurm-partition fast: the cluster has no such partition; it has cpu"),
        (("--mem", "70"), "sub-01: needs 70 GB, and no machine of partition cpu has more"),
        (("--nprocs", "9"), "sub-01: asks for 9 CPUs"),
        (("--script", "/proc/x/y.sh"), "/proc/x/y.sh: cannot be written"),
        (("--script", "/"), "--script /: is a folder"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_submitted(
    words: tuple[str, ...], told: str, tmp_path: Path, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bids(tmp_path / "bids")
    for more in ((), ("--submit",)):
        assert slurm(tmp_path, "--skip-bids-validation", *words, *more) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
    assert not (tmp_path / "bin" / "sbatch.words").exists()


def test_a_group_step_that_its_partition_does_not_allow_is_refused(
    tmp_path: Path, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.add("sinfo", "cpu*|up|9:00|idle|8|64000|(null)\n")
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path, "--skip-bids-validation") == 2
    assert "group: may take" in capsys.readouterr().err


def test_a_dry_run_prints_the_scripts_and_leaves_nothing_behind(
    tmp_path: Path, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path, "--skip-bids-validation", "--dry-run", "--submit") == 0
    said = capsys.readouterr().out
    assert not (tmp_path / "out").exists() and not (tmp_path / "bin" / "sbatch.words").exists()
    assert slurm(tmp_path, "--skip-bids-validation") == 0
    for name in ("slurm.sh", "slurm-group.sh"):
        assert (tmp_path / "out" / "logs" / name).read_text() in said


def test_without_sinfo_it_is_said_what_was_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path, "--skip-bids-validation") == 0
    assert "sizes and time limits were not checked: there is no sinfo here\n" in capsys.readouterr().out
    assert slurm(tmp_path, "--skip-bids-validation", "--submit") == 127


def test_where_the_cluster_does_not_answer_only_submitting_fails(
    tmp_path: Path, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.add("sinfo", error="no configuration\n", status=1)
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path, "--skip-bids-validation") == 0
    assert "were not checked: no configuration\n" in capsys.readouterr().out
    assert slurm(tmp_path, "--skip-bids-validation", "--submit") == 1


def test_scripts_of_a_larger_cohort_are_removed_and_no_others(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array, "TASKS", 1)
    make_bids(tmp_path / "bids", subjects=("01", "02", "03"))
    assert slurm(tmp_path, "--skip-bids-validation") == 0
    logs = tmp_path / "out" / "logs"
    (logs / "slurm-7.sh").write_text("#!/bin/bash\n")
    assert slurm(tmp_path, "--skip-bids-validation", "--participant-label", "01", "02") == 0
    assert sorted(path.name for path in logs.glob("*.sh")) == ["slurm-2.sh", "slurm-7.sh", "slurm-group.sh", "slurm.sh"]


def test_the_program_may_lie_in_a_folder_with_a_blank(tmp_path: Path) -> None:
    code = "import sys; sys.executable = '/opt/my env/bin/python'; import qsmflow.cli.slurm as v; print(v.PROGRAM)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "'/opt/my env/bin/python' -m qsmflow\n"


def test_only_another_program_may_have_the_cuda_that_is_missing_here(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    programs.add("sinfo", "gpu*|up|infinite|idle|8|64000|gpu:1\n")
    make_bids(tmp_path / "bids")
    words = ["--skip-bids-validation", "--gpu", "all"]
    assert slurm(tmp_path, *words, inversion="qsmnet") == 2
    assert "is built without CUDA" in capsys.readouterr().err
    assert slurm(tmp_path, *words, "--program", "apptainer exec --nv cuda.sif qsmflow", inversion="qsmnet") == 0


def test_the_time_of_a_network_on_a_small_head_is_minutes(tmp_path: Path, programs: Programs) -> None:
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path, "--skip-bids-validation", inversion="qsmnet") == 0
    assert "#SBATCH --time=10\n" in script(tmp_path)  # five of them until it starts
