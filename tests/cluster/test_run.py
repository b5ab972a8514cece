"""`qsmflow run` and `qsmflow slurm` on a real SLURM: the same maps as here, one run at a time, GPUs where they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qsmflow.cli.main import main
from tests.cluster.faults import told
from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.scene import Run, Scene, line_with, until

pytestmark = pytest.mark.cluster


def maps(out: Path, subject: str) -> dict[str, bytes]:
    """All images that a run kept of a subject, by name."""
    return {path.name: path.read_bytes() for path in (out / f"sub-{subject}").rglob("*.nii.gz")}


#: Of every run: networks ask for more processors than these nodes have.
PLAIN = ("--skip-bids-validation", "--inversion", "tkd", "l2")


@pytest.fixture(scope="module")
def bids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects, who are one."""
    root = tmp_path_factory.mktemp("dataset") / "bids"
    assert main(["simulate", str(root), "--voxel-size", "8", "--supersample", "1"]) == 0
    for path in (root / "sub-01" / "anat").iterdir():
        copy = Path(str(path).replace("sub-01", "sub-02"))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return root


@pytest.fixture(scope="module")
def here(bids: Path) -> Path:
    """Of a run without SLURM."""
    out = bids.parent / "here"
    words = ["run", str(bids), str(out), "participant", *PLAIN, "--plugin", "Linear"]
    assert main([*words, "--participant-label", "01"]) == 0
    return out


def test_one_run_at_a_time_and_the_same_maps_as_here(
    cluster: LocalSlurm, bids: Path, here: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["qsmflow", "run", bids, out, "participant", *PLAIN, "--participant-label", "01"]
    # the unwrapping alone takes more than this on so coarse a grid
    words += ["--plugin", "SLURM", "--slurm-poll", "1", "--slurm-local-minutes", "0.015"]
    run = Run(cluster, tmp_path / "first.txt", *words, "--slurm-extra=--hold")
    until(lambda: cluster.jobs() or run.process.poll() is not None, "a job")
    assert cluster.jobs(), run.said
    read = line_with(Run(cluster, tmp_path / "second.txt", *words).ends(2), "error")
    assert "at work on it" in read

    def released() -> bool:
        for job in cluster.jobs():
            cluster.command("scontrol", "release", job)
        return run.process.poll() is not None

    until(released, "the end of the run, whose jobs are all held at first")
    assert "0 failed" in run.ends(0)
    assert maps(out, "01") == maps(here, "01")
    assert "0 nodes executed" in Run(cluster, tmp_path / "third.txt", *words).ends(0)
    told("a second run on the same subject", read, "goes on where the first one ended; the same bytes")


def test_networks_are_refused_where_machines_are_too_small(cluster: LocalSlurm, bids: Path, tmp_path: Path) -> None:
    words = ["qsmflow", "run", bids, tmp_path / "out", "participant", "--skip-bids-validation", "--plugin", "SLURM"]
    said = Run(cluster, tmp_path / "said.txt", *words).ends(2)
    assert "qsmnet: asks for 8 CPUs, and no machine of partition cpu" in said and "take --omp-nthreads 4" in said
    assert not cluster.jobs()


def test_jobs_are_refused_that_may_take_longer_than_their_partition_allows(
    cluster: LocalSlurm, bids: Path, tmp_path: Path
) -> None:
    words = ["qsmflow", "run", bids, tmp_path / "out", "participant", *PLAIN, "--plugin", "SLURM"]
    words += ["--slurm-local-minutes", "0", "--slurm-partition", "brief"]
    said = Run(cluster, tmp_path / "said.txt", *words).ends(2)
    assert "min, and partition brief allows 2; take another --slurm-partition" in line_with(said, "error")
    assert not cluster.jobs()


def test_an_array_has_a_subject_a_task_and_the_group_waits_for_all(
    cluster: LocalSlurm, bids: Path, here: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my out"
    words = ["qsmflow", "slurm", bids, out, "participant", *PLAIN, "--slurm-cpus", "1", "--submit"]
    said = Run(cluster, tmp_path / "said.txt", *words).ends(0)
    assert "2 tasks" in said and "submitted as job" in said
    until(lambda: not cluster.jobs(), "the tasks")
    logs = list((out / "logs" / "slurm").iterdir())
    for log in logs:
        assert ("group.html" if "group" in log.name else "0 failed") in log.read_text(), log.read_text()
    assert len(logs) == 3
    rows = (out / "group_quality.tsv").read_text().splitlines()[1:]
    assert {row.split("\t")[0] for row in rows} == {"sub-01", "sub-02"}
    of_first = maps(here, "01")
    assert maps(out, "01") == of_first
    assert maps(out, "02") == {name.replace("sub-01", "sub-02"): content for name, content in of_first.items()}


def test_what_uses_a_gpu_runs_where_one_is(scene: Scene, expected: dict[str, bytes]) -> None:
    run = scene.start_held("--gpus=1")
    words = ["sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={scene.job()}"]
    words += ["--format=State,Partition,NodeList,AllocTRES"]
    scene.open()
    run.ends(0)
    assert scene.results() == expected
    until(lambda: "COMPLETED" in scene.cluster.command(*words), "the accounting")
    (line,) = scene.cluster.command(*words).splitlines()
    state, partition, node, given = line.split("|")
    assert (state, partition, node) == ("COMPLETED", "gpu", "gpu1") and "gres/gpu=1" in given.split(",")
