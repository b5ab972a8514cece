"""Phase unwrapping."""

from .laplacian import laplacian
from .romeo import romeo, voxel_quality

__all__ = ["laplacian", "romeo", "voxel_quality"]
