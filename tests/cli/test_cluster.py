"""The flags of SLURM: one for each setting; what cannot be is refused, and stages know nothing of them."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest
import torch

from qsmflow.cli.cluster import slurm_from
from qsmflow.cli.main import build_parser, main
from qsmflow.cli.settings import settings_from
from qsmflow.config import Config
from qsmflow.config.slurm import SLURM
from tests.builders import make_bids
from tests.engines.slurm.programs import Programs


def parsed(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["run", "in", "out", "participant", *words])


def test_every_setting_has_a_flag_and_its_default() -> None:
    assert slurm_from(parsed()) == SLURM()
    for item in dataclasses.fields(SLURM):
        value = "x" if isinstance(item.default, str) else 3
        found = slurm_from(parsed(f"--slurm-{item.name}".replace("_", "-"), str(value)))
        assert getattr(found, item.name) == value
        assert settings_from(parsed(f"--slurm-{item.name}".replace("_", "-"), str(value))) == Config()


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(tmp_path), str(tmp_path / "out"), "participant", "--slurm-poll", "0"]) == 2
    assert "--slurm-poll: 0.0 is not above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (
            "--qos=long --time=60",
            "--slurm-extra --time=60: qsmflow says that to sbatch itself; take --slurm-max-minutes",
        ),
        ("-t60", "take --slurm-max-minutes"),
        ("--mem 5G", "a job asks for the memory that its stage needs"),
        ("--partit=cpu", "take --slurm-partition"),
        ("-p cpu", "take --slurm-partition"),
        ("-c 2", "take --slurm-cpus"),
        ("--gres=gpu:1", "take --slurm-gres"),
        ("-M other", "run qsmflow on that cluster"),
        ("--job-name=x", "jobs are known by the names"),
        ("-o x", "what jobs print is looked for"),
        ("--comment='two", "no closing quotation"),
    ],
)
def test_words_for_sbatch_that_say_what_is_said_already_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: str, told: str
) -> None:
    assert main(["run", str(tmp_path), str(tmp_path / "out"), "participant", f"--slurm-extra={extra}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_other_words_for_sbatch_are_taken() -> None:
    SLURM(extra="--qos=long --exclude=node7 --time-min=5 --gres-flags=none -A lab --hold -N1 '--comment=--time it'")


def test_without_slurm_its_programs_are_told_to_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["run", str(tmp_path), str(tmp_path / "out"), "participant", "--plugin", "SLURM"]) == 127
    assert "sinfo: not found" in capsys.readouterr().err


def test_a_dry_run_tells_what_would_be_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    Programs(tmp_path / "bin", monkeypatch).add("sinfo", "cpu*|up|infinite|idle|8|500|(null)\n")
    make_bids(tmp_path / "bids")
    words = ["run", str(tmp_path / "bids"), str(tmp_path / "out"), "participant", "--inversion", "tkd", "--dry-run"]
    assert main([*words, "--skip-bids-validation", "--plugin", "SLURM", "--slurm-local-minutes", "0"]) == 2
    said = capsys.readouterr()
    assert "nodes to compute" in said.out and "no machine of partition cpu has more than" in said.err


def test_devices_that_the_torch_of_the_jobs_cannot_use_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    words = ["run", str(tmp_path), str(tmp_path / "out"), "participant", "--inversion", "qsmnet", "--gpu", "all"]
    assert main([*words, "--plugin", "SLURM"]) == 2
    assert "--gpu qsmnet: torch" in capsys.readouterr().err


def test_a_disk_that_takes_no_more_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from qsmflow.cli.main import guarded

    def full() -> int:
        raise OSError(28, "No space left on device", "/data/out/x")

    assert guarded(full) == 1
    assert capsys.readouterr().err.splitlines() == [
        "qsmflow: error: /data/out/x: No space left on device; what is finished is kept"
    ]

    def broken() -> int:
        raise FileNotFoundError(2, "No such file", "x")

    with pytest.raises(FileNotFoundError):
        guarded(broken)
