"""Settings of a stage in words: for the methods text, and for the table of what is to be reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from qsmflow.config import Config

#: What decides on the map of a stage, and is stated whether or not it is the default.
DECISIVE = {
    "brain_mask": (),
    "quality_mask": ("threshold",),
    "vsharp": ("max_radius", "min_radius"),
    "resharp": ("radius", "weight"),
    "lbv": ("peel",),
    "ismv": ("radius",),
    "tkd": ("threshold",),
    "tsvd": ("threshold",),
    "l2": ("weight",),
    "ilsqr": ("threshold",),
    "rts": ("threshold", "weight"),
    **dict.fromkeys(("tv", "nltv", "tgv", "nltgv", "ndi", "medi"), ("weight",)),
    "whtv": ("weight", "harmonic_weight"),
}
_LENGTHS = ("max_radius", "min_radius", "radius", "block", "peel", "margin", "smoothing")
_UNITS = {
    **dict.fromkeys(_LENGTHS, "mm"),
    "harmonic_weight": "mm^4",
    **{f"{stage}.weight": "ppm mm" for stage in ("rts", "tv", "nltv", "tgv", "nltgv", "whtv", "medi")},
    "csf_mask.threshold": "1/s",
}


def stated(stage: str, values: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """What decides on a stage's result, and what of its settings is not the default: ``threshold 0.25, no rescale``.

    Parameters
    ----------
    stage
        Name of its table in `Config`.
    values
        By name; what is no setting of the stage is passed over, and so is what it lacks.
    without
        Names that are told elsewhere.
    """
    defaults = getattr(Config(), stage)
    told = []
    for item in dataclasses.fields(defaults):
        if item.name not in values or item.name in without:
            continue
        value = values[item.name]
        if item.name in DECISIVE.get(stage, ()) or value != getattr(defaults, item.name):
            told.append(_phrase(stage, item.name, value))
    return ", ".join(told)


def in_brackets(text: str) -> str:
    """A blank and `text` in brackets; nothing where it is empty."""
    return f" ({text})" if text else ""


def _phrase(stage: str, name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    unit = _UNITS.get(f"{stage}.{name}") or _UNITS.get(name, "")
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{words} {number} {unit}".rstrip()
