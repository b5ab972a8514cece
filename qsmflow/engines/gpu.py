"""Which stages compute on a GPU, and whether there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Sequence

from qsmflow.errors import UsageError


def gpu_stages(asked: Sequence[str], able: Collection[str], run: Collection[str]) -> frozenset[str]:
    """The stages that are to use a GPU.

    Parameters
    ----------
    asked
        Names of stages, or ``all`` or ``none`` alone.
    able
        Stages that can use one.
    run
        Those of them that this run has.

    Raises
    ------
    UsageError
        A stage that cannot use one, or is not run.
    """
    if "all" in asked or "none" in asked:
        if len(asked) > 1:
            raise UsageError(f"--gpu {' '.join(asked)}: all and none stand alone; keep one, or name stages")
        return frozenset(run) if asked[0] == "all" else frozenset()
    for name in asked:
        if name not in able:
            raise UsageError(f"--gpu {name}: cannot use a GPU; name some of {', '.join(able)}, or all, or none")
        if name not in run:
            having = f"name {', '.join(run)}" if run else "leave --gpu out"
            raise UsageError(f"--gpu {name}: not a stage of this run; {having}")
    return frozenset(asked)


def check_build(stages: Collection[str]) -> None:
    """Refuse to have `stages` computed on GPUs of other machines by this environment where its torch can use none.

    Raises
    ------
    UsageError
        torch is built without CUDA.
    """
    import torch

    if stages and torch.version.cuda is None:
        raise UsageError(
            f"--gpu {' '.join(sorted(stages))}: {_without_cuda(torch.__version__)}; or --gpu none",
        )


def _without_cuda(version: str) -> str:
    return f"torch {version} is built without CUDA: install one that is"


def check_device(stages: Collection[str]) -> None:
    """Refuse to run `stages` on a GPU where torch can use none, saying what the driver tells."""
    import torch

    if not stages or torch.cuda.is_available():
        return
    program = shutil.which("nvidia-smi")
    if program is None:
        why = "nvidia-smi is not there: no NVIDIA driver"
    elif torch.version.cuda is None:
        why = _without_cuda(torch.__version__)
    else:
        done = subprocess.run([program, "--list-gpus"], capture_output=True, text=True)
        why = f"nvidia-smi says: {' '.join((done.stdout or done.stderr).split()) or 'nothing'}"
    raise UsageError(f"--gpu {' '.join(sorted(stages))}: torch can use no CUDA device here ({why}); or --gpu none")


def visible_devices() -> list[str]:
    """The CUDA devices that torch can use here, each by the name that shows a process that one alone."""
    import torch

    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    # behind a name that is none CUDA sees no more, and torch counts as CUDA does
    names = [name.strip() for name in listed.split(",")] if listed is not None else [str(i) for i in range(count)]
    return names[:count]
