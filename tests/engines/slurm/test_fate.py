"""Every way in which a job can end: what the user reads, and what is asked the next time."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from qsmflow.engines.resources import Need
from qsmflow.engines.slurm.commands import FINAL, Ended
from qsmflow.engines.slurm.fate import LOST, Fate, fate

NEED = Need(cpus=2, memory_gb=3.0, minutes=20)


def judged(ended: Ended, left: int, log: Path, printed: str = "", most: tuple[float, float] = (inf, inf)) -> Fate:
    log.write_text(printed)
    return fate(7, ended, NEED, 25, log, left, most)


@pytest.mark.parametrize("state", sorted(FINAL | {LOST}))
@pytest.mark.parametrize("left", [0, 1])
def test_each_state_is_named_with_job_and_machine_in_one_line(tmp_path: Path, state: str, left: int) -> None:
    line = judged(Ended(state, 1, 0, "cpu1"), left, tmp_path / "log").line
    assert line.startswith(f"job 7 on cpu1: {state}") and "\n" not in line and ";" in line


def test_memory_and_time_are_doubled(tmp_path: Path) -> None:
    more = judged(Ended("OUT_OF_MEMORY"), 1, tmp_path / "log").again
    assert more is not None and (more.memory_gb, more.minutes, more.cpus) == (6.0, 20, 2)
    more = judged(Ended("TIMEOUT"), 1, tmp_path / "log").again
    assert more is not None and (more.memory_gb, more.minutes) == (3.0, 45)  # with 5 more to start: twice 25


def test_no_job_comes_again_with_more_than_it_can_have(tmp_path: Path) -> None:
    found = judged(Ended("OUT_OF_MEMORY"), 1, tmp_path / "log", most=(4.0, inf))
    assert found.again is not None and found.again.memory_gb == 4.0 and "submitted again with 4 GB" in found.line
    found = judged(Ended("OUT_OF_MEMORY"), 1, tmp_path / "log", most=(3.0, inf))
    assert found.again is None and "no machine of its partition has more" in found.line
    found = judged(Ended("TIMEOUT"), 1, tmp_path / "log", most=(inf, 30.5))
    assert found.again is not None and found.again.minutes == 25 and "submitted again with 30 min" in found.line
    found = judged(Ended("TIMEOUT"), 1, tmp_path / "log", most=(inf, 25.9))
    assert found.again is None and "all that its partition and --slurm-max-minutes allow" in found.line


@pytest.mark.parametrize("printed", ["slurmstepd: error: Exceeded job memory limit", "Detected 1 oom-kill event(s)"])
@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_memory_is_seen_in_the_log_where_the_state_does_not_tell(tmp_path: Path, printed: str, state: str) -> None:
    found = judged(Ended(state, 0, 9), 1, tmp_path / "log", printed)
    assert "OUT_OF_MEMORY" in found.line and found.again is not None


@pytest.mark.parametrize("state", ["OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", LOST])
def test_the_last_time_a_mend_is_told(tmp_path: Path, state: str) -> None:
    found = judged(Ended(state), 0, tmp_path / "log")
    assert found.again is None and "--slurm-" in found.line


def test_a_preempted_job_always_comes_again_and_costs_nothing(tmp_path: Path) -> None:
    found = judged(Ended("PREEMPTED"), 0, tmp_path / "log")
    assert found.again == NEED and not found.counts


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended("FAILED", 28), "status 28 (No space left on device)"),
        (Ended("FAILED", 30), "Read-only file system"),
        (Ended("FAILED", 1), "status 1; its log ends with: last"),
        (Ended("FAILED", 0, 9), "ended by SIGKILL"),
        (Ended("FAILED", 0, 53), "could not begin"),
        (Ended("FAILED", 0, 40), "ended by signal 40"),
        (Ended("COMPLETED"), "--slurm-settle"),
        (Ended("CANCELLED"), "ended by scancel"),
    ],
)
def test_what_is_no_fault_of_the_limits_is_told_and_left(tmp_path: Path, ended: Ended, told: str) -> None:
    found = judged(ended, 5, tmp_path / "log", "first\nlast\n")
    assert told in found.line and found.again is None
