"""The zero of a susceptibility map, which every inversion sets as it is told."""

from __future__ import annotations

from typing import Any

import torch
from nipype.interfaces.base import File, isdefined

from qsmflow import config
from qsmflow.core.reference import subtract_reference

from .base import StageInputSpec, with_settings
from .volume import Volume, load_mask


@with_settings(config.Reference)
class ReferencedInputSpec(StageInputSpec):
    """Inputs of a stage whose output is a susceptibility map."""

    csf = File(exists=True, desc="mask of the cerebrospinal fluid")
    reference_mask = File(exists=True, desc="mask of the reference region")


def referenced(inputs: Any, volume: Volume, mask: torch.Tensor) -> tuple[Volume, dict[str, Any]]:
    """A map, with its zero where the inputs say, and what that took, for the sidecar."""
    if inputs.reference == "none":
        return volume, {}
    if inputs.reference == "brain":
        region = mask
    else:
        name = {"csf": "csf", "mask": "reference_mask"}[inputs.reference]
        path = getattr(inputs, name)
        if not isdefined(path):
            raise ValueError(f"reference {inputs.reference} needs a mask: give it as --{name}, or another --reference")
        region = load_mask(path, volume)
    chi, value = subtract_reference(volume.data, mask, region)
    return volume.with_data(chi), {
        "ReferenceSubtracted": round(value, 6),
        "ReferenceVoxels": int((region & mask).sum()),
    }
