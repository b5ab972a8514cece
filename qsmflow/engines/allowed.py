"""What this process may use of the machine: the least of affinity, cgroups, and what SLURM gave its job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: Where the kernel's files are.
ROOT = Path("/")


def available_cpus(root: Path = ROOT) -> int:
    """CPUs that this process may use: its affinity, the quota of every cgroup around it, and its SLURM job."""
    counts = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    for folder in _cgroups(root, "cpu"):
        words = _read(folder / "cpu.max").split() or [  # the second version of cgroups, or the first
            _read(folder / "cpu.cfs_quota_us").strip(),
            _read(folder / "cpu.cfs_period_us").strip(),
        ]
        if all(word.isdigit() for word in words) and int(words[0]) > 0:
            counts.append(int(words[0]) // int(words[1]))
    if "SLURM_JOB_ID" in os.environ:
        # of several nodes SLURM says "4(x2),8"
        given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_JOB_CPUS_PER_NODE", "")
        digits = given.split(",")[0].split("(")[0]
        if digits.isdigit():
            counts.append(int(digits))
    return max(1, min(counts))


def available_memory_gb(root: Path = ROOT) -> float:
    """Memory that this process may use, GB: what is free, the limit of every cgroup around it, and its SLURM job."""
    lines = dict(line.split(":", 1) for line in _read(root / "proc/meminfo").splitlines() if ":" in line)
    limits = [float(lines.get("MemAvailable", "4000000 kB").split()[0]) * 1024]
    for folder in _cgroups(root, "memory"):
        text = (_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")).strip()
        if text.isdigit():
            limits.append(float(text))
    if "SLURM_JOB_ID" in os.environ:
        per_node, per_cpu = os.environ.get("SLURM_MEM_PER_NODE", ""), os.environ.get("SLURM_MEM_PER_CPU", "")
        if per_node.isdigit() and int(per_node):  # 0: the whole node
            limits.append(float(per_node) * 2**20)
        elif per_cpu.isdigit() and int(per_cpu):
            limits.append(float(per_cpu) * 2**20 * int(os.environ.get("SLURM_CPUS_ON_NODE", "1")))
    return min(limits) / 1e9


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the cgroup that this process is in and of all around it, of both versions of cgroups.

    Inside a container the path that the kernel tells may lie above what is mounted; then only the top is seen.
    """
    top = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, names, path = line.split(":", 2)
        if number == "0":
            mounted = top
        elif controller in names.split(","):
            mounted = next((top / name for name in (names, controller) if (top / name).is_dir()), top / controller)
        else:
            continue
        folder = mounted / path.strip("/")
        while folder != mounted:
            yield folder
            folder = folder.parent
        yield mounted


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
