"""What a worker process of this machine does before its first node; the fork server does it once for all."""

import signal

import nibabel  # noqa: F401
import nipype.pipeline.engine  # noqa: F401
import torch  # noqa: F401

from .quiet import hush

hush()
# Ctrl-C reaches every process of the terminal; the one that holds the graph decides, and ends the workers.
signal.signal(signal.SIGINT, signal.SIG_IGN)
