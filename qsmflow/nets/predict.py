"""Maps by trained networks: any voxel size, direction of B0 and grid, in the memory that there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .card import Card
from .channels import Scan, compute, noise_map, normalise
from .frame import Frame
from .given import Given, as_device, taken
from .levels import Ladder
from .ready import ready
from .slabs import plan, run
from .weights import load, several

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
#: ppm: a field that is nowhere stronger than this is in another unit, such as tesla.
WEAKEST = 1e-5
#: Share of the mask in which the field may be beyond what a network was trained for.
OUTLIERS = 1e-3


class BeyondRangeError(ValueError):
    """A field is stronger than those that a network was trained for."""


@dataclass(frozen=True)
class Prediction:
    """What networks made of a scan.

    Attributes
    ----------
    map
        (X, Y, Z), ppm, float32; zero outside the mask. Of several networks their mean.
    sd
        Standard deviation between the networks, ppm; None of one.
    told
        For a sidecar: names and sha256 of the weights, device, precision, and how the data came into their frames.
    """

    map: torch.Tensor
    sd: torch.Tensor | None
    told: dict[str, Any]


def predict(
    field: Given,
    mask: Given,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float],
    weights: str | Path | Sequence[str | Path],
    *,
    noise: Given | float | None = None,
    device: str | torch.device = "cpu",
    precision: str = "auto",
    memory: float | None = None,
) -> Prediction:
    """Susceptibility, or a denoised field, by one network or the mean of several.

    Parameters
    ----------
    field
        Local field, ppm, (X, Y, Z). Networks learn heads: axes near right, front and up are what they know best.
    mask
        (X, Y, Z), where the field is valid: bool, or numbers above zero.
    voxel_size, b0_dir
        mm; direction of B0 in voxel axes.
    weights
        A name in the package or the path of a ``.safetensors`` file; of several, in a sequence or between commas,
        the mean and the spread.
    noise
        Standard deviation of the field, ppm, (X, Y, Z) or one number, for networks that ask for it; without it one
        number is estimated from the field.
    device
        ``cpu``, ``cuda`` or one of several, ``cuda:1``.
    precision
        Of the features: ``float32``, ``bfloat16``, ``float16``; ``auto`` is float16 on CUDA and float32 on a CPU.
    memory
        GB beside the volumes given and the weights; None: what the whole volume needs, or on CUDA what is free.
        Where it does not suffice, the upper levels of the network run slab by slab, with the same result.

    Returns
    -------
    Prediction
        The same for the same input, device, precision and memory.

    Raises
    ------
    ValueError
        One of the arguments is not what is said above, field, mask and noise are not of one shape, the field in the
        mask is not finite, not in the range of the card or nothing, the weights give maps of different kinds, there is
        no such device, or `memory` is too little.
    CardError
        The weights cannot be used.
    """
    scan = taken(field, mask, voxel_size, b0_dir, noise)
    device = as_device(device)
    named = several(weights) if isinstance(weights, str) else [weights] if isinstance(weights, Path) else list(weights)
    if not named:
        raise ValueError("weights: none are given; give a name or a path")
    maps, told = [], []
    output = ""
    for one in named:
        network, card = load(one)
        if output not in ("", card.output.name):
            raise ValueError(
                f"weights: {one} gives {card.output.name}, those before it {output}; a mean is of one kind"
            )
        output = card.output.name
        made, how = infer(network, card, scan, device=device, precision=precision, memory=memory)
        maps.append(made)
        told.append({"Name": card.name, "SHA256": card.sha256, **how})
    every = torch.stack(maps)
    summary = {"Weights": told, "Device": _device_name(device), "Precision": chosen_precision(device, precision)}
    return Prediction(every.mean(0), every.std(0) if len(maps) > 1 else None, summary)


def infer(
    network: Ladder,
    card: Card,
    scan: Scan,
    *,
    device: str | torch.device = "cpu",
    precision: str = "auto",
    memory: float | None = None,
) -> tuple[torch.Tensor, dict[str, Any]]:
    """`predict` by a network at hand, for instance one in training.

    Returns
    -------
    map
        (X, Y, Z), ppm, float32, on the device of the scan.
    told
        How the data came into the frame, and the share of the mask outside the range of the card.
    """
    beyond = _refuse(scan, card)
    device = as_device(device)
    dtype = PRECISIONS[chosen_precision(device, precision)]
    size = card.voxel_size if card.frame == "fixed" else None
    # a network of slices halves x and y alone, but one rule of sizes is enough
    frame = Frame.about(scan.mask, scan.voxel_size, scan.b0_dir, size, network.multiple)
    entered = torch.stack([frame.enter(volume) for volume in compute(card.inputs, scan)])
    network = ready(network, device, dtype)
    x = normalise(entered, card.inputs, frame.mask).to(device)
    how = plan(network, tuple(x.shape[1:]), dtype.itemsize, _bytes(device, memory))
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        out = run(network, x, how, dtype)[0].to(scan.field.device)
    out = (out * card.output.sd + card.output.mean) * frame.mask
    if not bool(torch.isfinite(out).all()):
        mend = "its weights or the field are at fault" if dtype == torch.float32 else "take precision float32"
        raise ValueError(f"{card.name} gives numbers that are not finite in {dtype}; {mend}")
    told: dict[str, Any] = {
        "Frame": "as it is" if frame.exact else "resampled",
        "FrameVoxelSize": [round(v, 4) for v in frame.size],
        "SlabRows": list(how.rows),
        "BeyondTraining": float(f"{beyond:.2g}"),
    }
    if any(channel.name in ("noise", "certainty") for channel in card.inputs):
        told["FieldNoise"] = float(f"{float(noise_map(scan)[scan.mask].median()):.3g}")
        told["FieldNoiseFrom"] = "estimate" if scan.noise is None else "map"
    if card.output.name == "field" and not frame.exact:
        # only what the network takes off goes through the interpolation, not the field
        first = [channel.name for channel in card.inputs].index("field")
        return (scan.field * scan.mask) + frame.leave(out - entered[first]), told
    return frame.leave(out), told


def chosen_precision(device: torch.device, precision: str) -> str:
    """The name in `PRECISIONS` that ``auto`` stands for, or `precision` itself."""
    if precision == "auto":
        return "float32" if device.type == "cpu" else "float16"
    if precision not in PRECISIONS:
        raise ValueError(f"precision: {precision!r} is not one of auto, {', '.join(PRECISIONS)}")
    return precision


def _refuse(scan: Scan, card: Card) -> float:
    """Raise ValueError for what the card does not allow; the share of the mask beyond its range."""
    for name, volume in (("mask", scan.mask), ("noise", scan.noise)):
        if volume is not None and volume.shape != scan.field.shape:
            raise ValueError(f"{name}: shape {tuple(volume.shape)}, but {tuple(scan.field.shape)} of the field")
    if scan.noise is not None and not bool(((scan.noise >= 0) & (scan.noise < math.inf))[scan.mask].all()):
        raise ValueError("noise: negative, NaN or Inf in the mask; give its standard deviation, ppm")
    inside = scan.field[scan.mask].abs()
    if not bool(torch.isfinite(inside).all()):
        raise ValueError("field: NaN or Inf in the mask; mend it or take them out of the mask")
    if len(inside) and float(inside.max()) < WEAKEST:
        raise ValueError(f"field: nowhere in the mask beyond {WEAKEST:g} ppm; give a local field in ppm, not in tesla")
    beyond = float((inside > card.largest).float().mean())
    if beyond > OUTLIERS:
        raise BeyondRangeError(
            f"field: {100 * beyond:.2g} % of the mask is beyond the {card.largest:g} ppm that {card.name} was trained "
            "for; give a local field in ppm, or weights of a wider range"
        )
    return beyond


def _bytes(device: torch.device, memory: float | None) -> float | None:
    if memory is None:
        torch.cuda.empty_cache()  # what an earlier map of this process has left is free as well
        return 0.9 * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    if not 0 <= memory < math.inf:
        raise ValueError(f"memory: {memory} GB; give a number that is not negative, or None for no limit")
    return memory * 1e9


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
