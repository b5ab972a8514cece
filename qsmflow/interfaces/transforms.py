"""Rigid transforms in ITK's text format: world mm to world mm, RAS in memory, LPS in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nitransforms.io.base import TransformIOError
from nitransforms.linear import Affine


def read_itk(path: str | Path) -> np.ndarray:
    """Return the (4, 4) world transform of an ITK text file, reference RAS mm to moving RAS mm.

    Raises
    ------
    ValueError
        The file holds no such transform.
    """
    try:
        return np.asarray(Affine.from_filename(str(path), fmt="itk").matrix, dtype=np.float64).reshape(4, 4)
    except (TransformIOError, ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no affine transform in ITK's text format; give that of rigid_register") from error


def write_itk(matrix: np.ndarray, path: str | Path) -> str:
    """Write the (4, 4) world transform, reference RAS mm to moving RAS mm, as ITK text; returns the path."""
    Affine(np.asarray(matrix, dtype=np.float64)).to_filename(str(path), fmt="itk")
    return str(path)
