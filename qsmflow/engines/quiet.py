"""Keeping nipype's log off the terminal."""

from __future__ import annotations

import logging


def hush(level: int = logging.CRITICAL) -> None:
    """Keep nipype from telling every node on the terminal; what fails is told by the run itself."""
    for name in ("nipype.workflow", "nipype.utils", "nipype.interface"):
        logging.getLogger(name).setLevel(level)
