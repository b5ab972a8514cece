"""Rigid transforms in ITK's text format: world mm to world mm, RAS in memory, LPS in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nitransforms.linear import Affine


def read_itk(path: str | Path) -> np.ndarray:
    """Return the (4, 4) world transform of an ITK text file, reference RAS mm to moving RAS mm."""
    return np.asarray(Affine.from_filename(str(path), fmt="itk").matrix, dtype=np.float64).reshape(4, 4)


def write_itk(matrix: np.ndarray, path: str | Path) -> str:
    """Write the (4, 4) world transform, reference RAS mm to moving RAS mm, as ITK text; returns the path."""
    Affine(np.asarray(matrix, dtype=np.float64)).to_filename(str(path), fmt="itk")
    return str(path)
