"""What a worker process of this machine imports before its first node; the fork server loads it once for all."""

from __future__ import annotations

import logging


def hush(level: int = logging.CRITICAL) -> None:
    """Keep nipype from telling every node on the terminal; what fails is told by the run itself."""
    for name in ("nipype.workflow", "nipype.utils", "nipype.interface"):
        logging.getLogger(name).setLevel(level)


import nibabel  # noqa: E402, F401
import nipype.pipeline.engine  # noqa: E402, F401
import torch  # noqa: E402, F401

hush()
