"""Echo times and field strengths that no scanner has: refused in a stage as in the sidecars of a dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from nipype.interfaces.base import isdefined

from qsmflow.bids.acquisition import FIELD_RANGE, LONGEST_ECHO
from qsmflow.errors import UsageError

from .volume import Volume


def check_acquired(inputs: dict[str, Any]) -> None:
    """Refuse, by a `UsageError`, the values of the inputs ``te``, ``b0``, ``b0_dir`` and ``b0_dirs`` that cannot be.

    A list ``te`` holds echo times, s, which are above zero and ascend; a single one may be zero, which stands for none.
    Where the stage has both, a single one is of no use without the field strength.
    """
    te = inputs.get("te")
    times = te if isinstance(te, list) else []
    for time in times or ([te] if isinstance(te, float) and te != 0 else []):
        if not time > 0:
            raise UsageError(f"te: {time:g} s is no echo time; give it in seconds")
        if not time <= LONGEST_ECHO:
            raise UsageError(f"te: {time:g} s is no echo time: milliseconds? give it in seconds")
    for earlier, later in pairwise(times):
        if not earlier < later:
            raise UsageError(f"te: {later:g} s comes after {earlier:g} s; give the echoes in the order of their times")
    b0 = inputs.get("b0")
    if "b0" in inputs and isinstance(te, float) and te and not isdefined(b0):
        raise UsageError(f"b0: missing beside te {te:g} s; give the field strength in tesla, which scales the phase")
    low, high = FIELD_RANGE
    if isinstance(b0, float) and not low <= b0 <= high:
        raise UsageError(f"b0: {b0:g} T is no field strength of a scanner; give it in tesla")
    b0_dir = inputs.get("b0_dir")
    named = [("b0_dir", b0_dir)] if isinstance(b0_dir, tuple) else []
    named += [("b0_dirs", one) for one in inputs.get("b0_dirs") or ()]
    for name, (x, y, z) in named:
        if not 0 < math.hypot(x, y, z) < math.inf:
            raise UsageError(f"{name}: {x:g},{y:g},{z:g} is no direction; give that of B0 in voxel axes")


def refuse_times(te: Sequence[float], volume: Volume) -> None:
    """Raise ValueError unless there is a time for every echo of `volume`."""
    if len(te) != len(volume.data):
        raise ValueError(f"te: {len(te)} echo times, but {len(volume.data)} echoes in {volume.path}; give one for each")
