"""How numbers and measures are said to a reader."""

from __future__ import annotations

import re

#: What is said in brackets behind the name that a sidecar has for what a stage measured: the unit, or of what it is.
_SAID = {
    **dict.fromkeys(("FieldSD", "FieldMean", "MedianNoise", "FieldNoise", "Contrast", "ReferenceSubtracted"), "ppm"),
    **dict.fromkeys(("Translation", "LargestShift", "FrameVoxelSize"), "mm"),
    "MedianR2Star": "1/s",
    "ReadoutRampRemoved": "rad",
    "RotationAngle": "°",
    "VolumeML": "ml",
    "Correlation": "of what was registered",
}


def counted(number: int, one: str, many: str) -> str:
    """``1 node`` or ``2 nodes``."""
    return f"{number} {one if number == 1 else many}"


def significant(value: float) -> str:
    """The number with four significant digits, zeros at its end among them: ``0.9920``."""
    return f"{value:#.4g}".removesuffix(".")


def with_minus(text: str) -> str:
    """`text` with a minus sign before each negative number; hyphens in words, dates and ranges stay."""
    return re.sub(r"(?<![\w.,)\]-])-(?=\.?\d)", "−", text)


def measure_title(name: str) -> str:
    """The name of what a stage measured, as the sidecar has it, with its unit in brackets where it has one."""
    said = _SAID.get(name.rpartition(", ")[2])
    return f"{name} ({said})" if said else name
