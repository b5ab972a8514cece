"""``qsmflow slurm``: the scripts that it writes, and what it submits."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmflow.cli.main import main
from qsmflow.engines.slurm import array
from tests.builders import make_bids
from tests.engines.slurm.programs import Programs


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    (tmp_path / "bin").mkdir()
    made = Programs(tmp_path / "bin", monkeypatch)
    made.add("sinfo", "cpu*|8|64000|(null)|infinite\n")
    made.add("sbatch", "7\n")
    return made


def slurm(root: Path, *words: str) -> int:
    return main(["slurm", str(root / "bids"), str(root / "out"), "participant", "--inversion", "tkd", *words])


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


def test_what_to_type_submits_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bids(tmp_path / "bids")
    script = tmp_path / "my scripts" / "all.sh"
    assert slurm(tmp_path, "--skip-bids-validation", "--script", str(script)) == 0
    assert f"sbatch '{script}'; sbatch '{script.with_name('all-group.sh')}'\n" in capsys.readouterr().out


def test_the_dataset_is_validated_once_and_not_by_each_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr("qsmflow.bids.validator.run_validator", lambda path: looked.append(path) or "no error")
    make_bids(tmp_path / "bids")
    assert slurm(tmp_path) == 0
    assert looked == [tmp_path / "bids"]
    assert "no error" in capsys.readouterr().out
    for words in ([], ["--skip-bids-validation"]):
        assert slurm(tmp_path, *words) == 0
        (line,) = [
            line
            for line in (tmp_path / "out" / "logs" / "slurm.sh").read_text().splitlines()
            if line.startswith("exec ")
        ]
        assert line.split().count("--skip-bids-validation") == 1
