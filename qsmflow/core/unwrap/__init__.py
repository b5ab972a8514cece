"""Phase unwrapping."""

from .best_path import best_path
from .echoes import unwrap_echoes
from .laplacian import laplacian
from .romeo import romeo, voxel_quality
from .segue import segue
from .series import Unwrapped, unwrap_series
from .volume import unwrap_volume

__all__ = [
    "Unwrapped",
    "best_path",
    "laplacian",
    "romeo",
    "segue",
    "unwrap_echoes",
    "unwrap_series",
    "unwrap_volume",
    "voxel_quality",
]
