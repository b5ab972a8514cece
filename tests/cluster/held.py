"""A stage that a test can hold while it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nipype.interfaces.base import traits

from qsmflow.interfaces.inversion import TKD, TKDInputSpec


class HeldTKDInputSpec(TKDInputSpec):
    gate = traits.Str(
        nohash=True, desc="file beside which `reached` is left, and which holds the stage while it is there"
    )
    ballast = traits.Int(0, usedefault=True, nohash=True, desc="memory that it takes besides, MB")


class HeldTKD(TKD):
    """TKD behind a gate."""

    input_spec = HeldTKDInputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        gate = Path(self.inputs.gate)
        ballast = b"x" * (self.inputs.ballast << 20)
        (gate.parent / "reached").touch()
        while gate.exists():
            time.sleep(0.1)
        del ballast
        return super()._stage(cwd)
