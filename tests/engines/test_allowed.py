"""What this process may use: affinity, nested cgroups of both versions, and SLURM's own limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qsmflow.engines.allowed import available_cpus, available_memory_gb


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16 CPUs and 64 GiB without limits, as its kernel tells it, outside of any job."""
    for name in list(os.environ):
        if name.startswith("SLURM"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    write(tmp_path, {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {64 * 2**20} kB\n"})
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_this_process_gets_no_more_than_it_may() -> None:
    assert 1 <= available_cpus() <= len(os.sched_getaffinity(0))
    assert 0 < available_memory_gb() < 1e5


def test_without_limits_the_machine_is_all_ours(machine: Path) -> None:
    assert available_cpus(machine) == 16
    assert available_memory_gb(machine) == pytest.approx(64 * 2**30 / 1e9)


@pytest.mark.parametrize("place", ["", "slurm", "slurm/job_1"])
def test_a_limit_on_any_level_of_the_second_version_holds(machine: Path, place: str) -> None:
    group = Path("sys/fs/cgroup") / place
    files = {
        "proc/self/cgroup": "0::/slurm/job_1\n",
        "sys/fs/cgroup/slurm/job_1/cpu.max": "max 100000\n",
        "sys/fs/cgroup/slurm/job_1/memory.max": "max\n",
    }
    write(machine, files | {str(group / "cpu.max"): "300000 100000\n", str(group / "memory.max"): "2000000000\n"})
    assert available_cpus(machine) == 3 and available_memory_gb(machine) == 2.0


@pytest.mark.parametrize("place", ["", "user"])
def test_a_limit_on_any_level_of_the_first_version_holds(machine: Path, place: str) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/user\n3:cpu,cpuacct:/user\n",
        "sys/fs/cgroup/memory/user/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_period_us": "100000\n",
    }
    cpu, memory = (Path("sys/fs/cgroup") / name / place for name in ("cpu,cpuacct", "memory"))
    files |= {str(cpu / "cpu.cfs_quota_us"): "250000\n", str(cpu / "cpu.cfs_period_us"): "100000\n"}
    write(machine, files | {str(memory / "memory.limit_in_bytes"): "3000000000\n"})
    assert available_cpus(machine) == 2 and available_memory_gb(machine) == 3.0


def test_half_a_cpu_is_one(machine: Path) -> None:
    write(machine, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert available_cpus(machine) == 1


@pytest.mark.parametrize(
    ("given", "cpus", "gigabytes"),
    [
        ({"SLURM_CPUS_PER_TASK": "3", "SLURM_MEM_PER_NODE": "4096"}, 3, 4096 * 2**20 / 1e9),
        ({"SLURM_JOB_CPUS_PER_NODE": "4(x2),8"}, 4, 64 * 2**30 / 1e9),
        ({"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_ON_NODE": "2"}, 16, 2 * 2**30 / 1e9),
        ({"SLURM_MEM_PER_NODE": "0"}, 16, 64 * 2**30 / 1e9),
    ],
)
def test_what_slurm_gave_the_job_holds(
    machine: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], cpus: int, gigabytes: float
) -> None:
    for name, value in {"SLURM_JOB_ID": "7", **given}.items():
        monkeypatch.setenv(name, value)
    assert available_cpus(machine) == cpus and available_memory_gb(machine) == pytest.approx(gigabytes)
