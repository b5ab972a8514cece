"""A study whose cases are jobs of SLURM, by pydra's worker, which asks the accounting how they ended."""

from __future__ import annotations

import subprocess
from os import environ
from pathlib import Path

import pytest

from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.scene import Run

pytestmark = pytest.mark.cluster


def test_cases_are_jobs_and_a_rerun_submits_none(cluster: LocalSlurm, tmp_path: Path) -> None:
    ask = {"env": {**environ, **cluster.environment}, "capture_output": True, "check": False}
    if subprocess.run(["sacct", "--noheader"], **ask).returncode:  # type: ignore[call-overload]
        pytest.skip("this SLURM keeps no accounts")
    words = ("qsmflow", "study", "scale", "--quick", "--out", tmp_path / "studies", "--worker", "slurm")
    Run(cluster, tmp_path / "first.txt", *words, "--sbatch=--mem=1500 --cpus-per-task=1").ends(0)
    table = (tmp_path / "studies" / "scale" / "scale.tsv").read_text()
    methods = {line.split("\t")[1] for line in table.splitlines() if "rmse" in line}
    assert methods >= {"l2", "qsmnet"}
    scripts = tmp_path / "studies" / "cache" / "slurm_scripts"
    jobs = len(list(scripts.iterdir()))
    assert jobs == 2 + 2 * len(methods)  # two sizes, and each method at both
    Run(cluster, tmp_path / "second.txt", *words).ends(0)
    assert len(list(scripts.iterdir())) == jobs
    assert (tmp_path / "studies" / "scale" / "scale.tsv").read_text() == table
