"""What goes wrong on a cluster, on a real one: it is told by name, and a rerun ends with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.faults import told
from tests.cluster.scene import Scene, deeds, line_with, until

pytestmark = pytest.mark.cluster


def test_the_process_of_a_job_is_killed(scene: Scene, expected: dict[str, bytes]) -> None:
    run = scene.start_held()
    scene.kill_worker()
    read = line_with(run.ends(1), "failed")
    assert "FAILED, ended by SIGKILL" in read
    told("the process of a job is killed", read, scene.rerun(expected))


def test_the_driver_is_killed(scene: Scene, expected: dict[str, bytes]) -> None:
    """Its job goes on; the one that the rerun submits waits for it, and finds the node finished."""
    run = scene.start_held()
    run.process.kill()
    run.process.wait()
    again = scene.start()
    until(lambda: len(scene.cluster.jobs()) == 2, "the job of the rerun")
    assert len(scene.cluster.jobs("--states=RUNNING")) == 1
    scene.open()
    again.ends(0)
    assert scene.results() == expected
    told(
        "the process of `qsmflow run` is killed",
        "nothing; its jobs go on",
        "waits for these jobs and takes what they made; the same bytes",
    )


def test_the_daemon_of_a_machine_is_killed(scene: Scene, expected: dict[str, bytes]) -> None:
    run = scene.start_held()
    scene.cluster.end("slurmd.cpu1")
    run.says("NODE_FAIL")
    read = line_with(run.said, "NODE_FAIL")
    scene.cluster.start_node("cpu1")
    scene.reached(run)
    scene.open()
    assert "submitted again as it was" in read
    run.ends(0)
    assert scene.results() == expected
    told("a machine fails", read, scene.rerun(expected))


def test_a_running_job_is_cancelled(scene: Scene, expected: dict[str, bytes]) -> None:
    run = scene.start_held()
    scene.cluster.command("scancel", scene.job())
    read = line_with(run.ends(1), "failed")
    assert "CANCELLED" in read
    told("a running job is cancelled", read, scene.rerun(expected))


def test_a_pending_job_is_cancelled(scene: Scene, expected: dict[str, bytes]) -> None:
    run = scene.start("--extra=--hold")
    until(scene.cluster.jobs, "a job")
    scene.cluster.command("scancel", scene.job())
    read = line_with(run.ends(1), "failed")
    assert "CANCELLED" in read
    told("a pending job is cancelled", read, scene.rerun(expected))


def test_the_memory_limit_is_hit(scene: Scene, expected: dict[str, bytes]) -> None:
    (scene.folder / "gate").touch()
    run = scene.start("--memory=0.8", "--ballast=600")
    run.says("OUT_OF_MEMORY")
    read = line_with(run.said, "OUT_OF_MEMORY")
    assert "submitted again with 1.6 GB" in read
    scene.open()
    run.ends(0)
    assert scene.results() == expected
    told("a job takes more memory than it has", read, scene.rerun(expected))


def test_the_memory_limit_is_hit_once_too_often(scene: Scene, expected: dict[str, bytes]) -> None:
    (scene.folder / "gate").touch()
    read = line_with(scene.start("--memory=0.8", "--ballast=600", "--retries=0").ends(1), "failed")
    assert "OUT_OF_MEMORY" in read and "--slurm-retries" in read
    told("the same, and no retry is left", read, scene.rerun(expected))


def test_the_time_limit_is_hit(scene: Scene, expected: dict[str, bytes]) -> None:
    run = scene.start_held()
    run.says("TIMEOUT")
    read = line_with(run.said, "TIMEOUT")
    assert "submitted again with 2 min" in read
    scene.reached(run)
    scene.open()
    run.ends(0)
    assert scene.results() == expected
    told("a job takes longer than its limit", read, scene.rerun(expected))


def test_a_job_is_in_the_way_of_an_urgent_one(scene: Scene, expected: dict[str, bytes]) -> None:
    run = scene.start_held()
    scene.cluster.command("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true")
    run.says("PREEMPTED")
    read = line_with(run.said, "PREEMPTED")
    scene.reached(run)
    scene.open()
    run.ends(0)
    assert scene.results() == expected
    told("a job of higher priority takes the place", read, scene.rerun(expected))


def lose_the_controller(scene: Scene, expected: dict[str, bytes], how: signal.Signals) -> tuple[str, str]:
    """End SLURM's controller under a run and start it again; what is read, and what the next run does."""
    run = scene.start_held()
    time.sleep(10.0)  # it writes its state every few seconds; a job of which it knows nothing it would begin twice
    scene.cluster.end("slurmctld", how)
    run.says("SLURM does not answer")
    read = line_with(run.said, "SLURM does not answer")
    scene.cluster.start_controller()
    scene.open()
    run.ends(0)
    assert scene.results() == expected
    until(lambda: not scene.cluster.jobs(), "the job to leave the queue")
    return read, scene.rerun(expected)


def test_the_controller_is_restarted(scene: Scene, expected: dict[str, bytes]) -> None:
    told("SLURM's controller is restarted", *lose_the_controller(scene, expected, signal.SIGTERM))


def test_the_controller_is_killed(scene: Scene, expected: dict[str, bytes]) -> None:
    told("SLURM's controller is killed", *lose_the_controller(scene, expected, signal.SIGKILL))


@pytest.fixture
def small_disk(scene: Scene) -> Iterator[Path]:
    """A disk of a few MB."""
    disk = scene.folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_the_disk_is_full(scene: Scene, expected: dict[str, bytes], small_disk: Path) -> None:
    work = f"--work={small_disk}/work"
    run = scene.start_held(work)
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    scene.open()
    read = line_with(run.ends(1), "failed")
    assert "No space left on device" in read
    filler.unlink()
    said = scene.start(work).ends(0)
    assert scene.results() == expected
    told("the disk of the work folder is full", read, deeds(said))


def test_the_work_folder_cannot_be_written(scene: Scene, expected: dict[str, bytes], small_disk: Path) -> None:
    work = f"--work={small_disk}/work"
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    read = line_with(scene.start(work).ends(1), "error")
    assert "Read-only file system" in read
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    said = scene.start(work).ends(0)
    assert scene.results() == expected
    told("the work folder cannot be written", read, deeds(said))


def test_an_interrupt_leaves_no_job(scene: Scene, expected: dict[str, bytes]) -> None:
    for which in (signal.SIGINT, signal.SIGTERM):
        run = scene.start_held()
        os.killpg(run.process.pid, which)
        said = run.ends(130)
        assert "Traceback" not in said
        until(lambda: not scene.cluster.jobs(), "the queue to be empty")
    told("Ctrl-C, or SIGTERM", line_with(said, "interrupted"), scene.rerun(expected))


def test_the_first_crash_ends_the_other_jobs_where_it_is_asked(scene: Scene) -> None:
    (scene.folder / "broken.nii").write_text("no image")
    (scene.folder / "gate").touch()
    said = scene.start("--broken").ends(1)
    assert "run.broken failed" in said and "run.tkd failed" not in said
    until(lambda: not scene.cluster.jobs(), "the queue to be empty")
