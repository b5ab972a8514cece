"""What networks see: the channels by name, and how they are normalised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from qsmflow.core.inversion import l2, tkd, tv, whtv
from qsmflow.core.noise import noise_of_parts


@dataclass(frozen=True)
class Channel:
    """One input or output of a network: the network's number is ``(value - mean) / sd``.

    Attributes
    ----------
    name
        A key of `CHANNELS`; of an output one of `OUTPUTS`.
    unit
        Of the value, as it stands there.
    mean, sd
        Of the normalisation.
    """

    name: str
    unit: str
    mean: float = 0.0
    sd: float = 1.0


@dataclass(frozen=True)
class Scan:
    """What is known of one orientation of a head; volumes (X, Y, Z).

    Attributes
    ----------
    field
        Local field, ppm.
    mask
        bool, where it is valid.
    voxel_size, b0_dir
        mm; direction in voxel axes.
    noise
        Standard deviation of the field, ppm; None where it is not known.
    """

    field: torch.Tensor
    mask: torch.Tensor
    voxel_size: tuple[float, float, float]
    b0_dir: tuple[float, float, float]
    noise: torch.Tensor | None = None


def noise_map(scan: Scan) -> torch.Tensor:
    """The map that is given, or one number everywhere, found from how the field differs between neighbours."""
    if scan.noise is not None:
        return scan.noise
    return torch.full_like(scan.field, noise_of_parts([scan.field], scan.mask))


#: ppm: noise at which a voxel is half believed.
_HALF = 0.002


def certainty(scan: Scan) -> torch.Tensor:
    """How far a voxel is believed: one without noise, a half at 2 ppb, and nothing with much of it."""
    return 1.0 / (1.0 + (noise_map(scan) / _HALF).square())


def _by_variation(invert: Callable[..., tuple[torch.Tensor, list[float]]]) -> Callable[[Scan], torch.Tensor]:
    """The map of `tv` or `whtv`, which believe voxels less that have more noise than the median."""

    def volume(scan: Scan) -> torch.Tensor:
        signal = None if scan.noise is None else 1.0 / scan.noise.clamp_min(1e-6)
        return invert(scan.field, scan.mask, scan.voxel_size, scan.b0_dir, magnitude=signal)[0]

    return volume


@dataclass(frozen=True)
class Kind:
    """The unit of a channel, and its volume of a scan."""

    unit: str
    volume: Callable[[Scan], torch.Tensor]


#: Every channel that a network may ask for; maps of inversions are those of their default settings.
CHANNELS: dict[str, Kind] = {
    "field": Kind("ppm", lambda scan: scan.field),
    "mask": Kind("1", lambda scan: scan.mask.float()),
    "noise": Kind("ppm", noise_map),
    "tkd": Kind("ppm", lambda scan: tkd(scan.field, scan.mask, scan.voxel_size, scan.b0_dir)),
    "l2": Kind("ppm", lambda scan: l2(scan.field, scan.mask, scan.voxel_size, scan.b0_dir)),
    "tv": Kind("ppm", _by_variation(tv)),
    "whtv": Kind("ppm", _by_variation(whtv)),
    "certainty": Kind("1", certainty),
}
#: What a network may give, and its unit.
OUTPUTS = {"chi": "ppm", "field": "ppm"}


def compute(channels: Sequence[Channel], scan: Scan) -> torch.Tensor:
    """`channels` of `scan` on its own grid, not yet normalised: (C, X, Y, Z), float32, zero outside the mask."""
    volumes = [torch.where(scan.mask, CHANNELS[channel.name].volume(scan), 0.0) for channel in channels]
    return torch.stack(volumes).float()


def normalise(volumes: torch.Tensor, channels: Sequence[Channel], mask: torch.Tensor) -> torch.Tensor:
    """What the network is given, (C, X, Y, Z): zero outside the mask, after the normalisation."""
    means, sds = (volumes.new_tensor([getattr(c, part) for c in channels]).view(-1, 1, 1, 1) for part in ("mean", "sd"))
    return (volumes - means) / sds * mask
