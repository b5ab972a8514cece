"""What a stage needs: the one record from which every engine's limits are made."""

from __future__ import annotations

from dataclasses import dataclass

from nipype.pipeline.engine import Node

#: What Python and the libraries of any stage take before an image is loaded, GB.
BASE_GB = 0.8


@dataclass(frozen=True)
class Need:
    """What one node asks of whatever executes it.

    Attributes
    ----------
    cpus
        Threads.
    memory_gb
        Peak memory, GB.
    gpus
        Devices.
    minutes
        Time that the stage itself may take; 0: seconds at most, whatever the grid.
    """

    cpus: int = 1
    memory_gb: float = BASE_GB
    gpus: int = 0
    minutes: float = 0.0


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
        Devices, where it is told to use them.
    minutes
        Time limit to ask of a cluster, per million voxels and image: some ten times what one thread takes, since
        machines differ, and so do the sources of the data.
    least_voxels
        Of the grid that the stage works on, whatever that of the image is.
    """

    volumes: float
    volumes_per_image: float = 0.0
    cpus: int = 1
    gpus: int = 0
    minutes: float = 0.5
    least_voxels: int = 0

    def memory_gb(self, voxels: int, images: int = 1) -> float:
        """Peak memory, GB, on a grid of `voxels` with `images` echoes or orientations."""
        return BASE_GB + (self.volumes + self.volumes_per_image * images) * max(voxels, self.least_voxels) * 4 / 1e9

    def minutes_for(self, voxels: int, images: int = 1) -> float:
        """Time limit, minutes, on a grid of `voxels` with `images` echoes or orientations."""
        return self.minutes * max(voxels, self.least_voxels) / 1e6 * images

    def need(self, voxels: int, images: int = 1, *, threads: int = 1, use_gpu: bool = False) -> Need:
        """What a node of the stage asks: at most `threads`, of which a GPU leaves one to do; a device if `use_gpu`."""
        gpus = self.gpus if use_gpu else 0
        return Need(
            cpus=1 if gpus else max(1, min(self.cpus, threads)),
            memory_gb=round(self.memory_gb(voxels, images), 2),
            gpus=gpus,
            minutes=self.minutes_for(voxels, images),
        )


def ask(node: Node, need: Need) -> Node:
    """Write `need` on `node`, where every engine reads it; returns the node."""
    node.need = need
    node.n_procs = need.cpus
    node._mem_gb = need.memory_gb
    return node
