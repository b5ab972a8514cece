"""What a stage needs: the one record from which every engine's limits are made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

#: What Python, torch and nipype take before any image is loaded, GB.
BASE_GB = 0.5


@dataclass(frozen=True)
class Resources:
    """Needs of one stage.

    Attributes
    ----------
    volumes
        Peak memory in float32 volumes of the image's grid, beside those that grow with the echoes or orientations.
    volumes_per_image
        The same for each echo or orientation that the stage holds at once.
    cpus
        Threads it can use; an engine may give it fewer.
    gpus
        Devices.
    minutes
        Time limit to ask of a cluster, per million voxels and image.
    least_voxels
        Of the grid that the stage works on, whatever that of the image is.
    """

    volumes: float
    volumes_per_image: float = 0.0
    cpus: int = 1
    gpus: int = 0
    minutes: float = 2.0
    least_voxels: int = 0

    def memory_gb(self, voxels: int, images: int = 1) -> float:
        """Peak memory, GB, on a grid of `voxels` with `images` echoes or orientations."""
        return BASE_GB + (self.volumes + self.volumes_per_image * images) * max(voxels, self.least_voxels) * 4 / 1e9


def available_cpus() -> int:
    """CPUs that this process may use: its affinity and the quota of its cgroup."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read(Path("/sys/fs/cgroup/cpu.max")).split()
    if len(quota) == 2 and quota[0].isdigit():
        count = min(count, max(1, int(quota[0]) // int(quota[1])))
    return count


def available_memory_gb() -> float:
    """Memory that this process may use, GB: what the machine has free, and the limit of its cgroup."""
    lines = dict(line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line)
    free = float(lines.get("MemAvailable", "4000000 kB").split()[0]) * 1024 / 1e9
    limit = _read(Path("/sys/fs/cgroup/memory.max")).strip()
    return min(free, float(limit) / 1e9) if limit.isdigit() else free


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
