"""An array of receive coils around the head, and the k-space they measure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from qsmflow.bids.ismrmrd import Protocol, Writer
from qsmflow.config import Simulate
from qsmflow.core.kspace.fourier import to_kspace
from qsmflow.phantom.plan import acceleration_of

#: mm: how far from the middle of the grid the coils lie, how far apart their rings, and the radius of their loops.
_RADIUS, _RING, _LOOP = 130.0, 80.0, 60.0
#: Share of a neighbour's noise that a coil has too.
_CROSSTALK = 0.2
#: Samples of the noise scan.
_NOISE_SAMPLES = 4096


def sensitivities(affine: torch.Tensor, shape: Sequence[int], coils: int) -> torch.Tensor:
    """Complex sensitivities of `coils` on rings about the bore, fixed in the scanner, of unit norm over the coils.

    Parameters
    ----------
    affine
        4x4, voxel to scanner coordinates, mm.
    shape
        (X, Y, Z).
    coils
        Their number.

    Returns
    -------
    torch.Tensor
        complex64, (C, X, Y, Z).
    """
    axes = [torch.arange(n, device=affine.device, dtype=torch.float32) - n // 2 for n in shape]
    voxels = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    x, y, z = torch.einsum("ij,jxyz->ixyz", affine[:3, :3], voxels)
    rings = max(1, round((coils / 3) ** 0.5))
    maps = torch.empty((coils, *shape), dtype=torch.complex64, device=affine.device)
    for coil in range(coils):
        ring, place = coil % rings, coil // rings
        angle = 2.0 * math.pi * (place + ring / rings) / math.ceil(coils / rings)
        dx, dy = x - _RADIUS * math.cos(angle), y - _RADIUS * math.sin(angle)
        dz = z - _RING * (ring - (rings - 1) / 2)
        distance = (dx.square() + dy.square() + dz.square()) / _LOOP**2
        turned = (0.5 * (dx * math.sin(angle) - dy * math.cos(angle)) + 0.3 * dz) / _LOOP + angle
        maps[coil] = torch.polar((1.0 + distance) ** -1.5, turned)
    return maps / torch.linalg.vector_norm(maps, dim=0)


def sampled_lines(shape: Sequence[int], acceleration: Sequence[int], calibration: int) -> list[tuple[int, int]]:
    """The phase-encoded lines that are acquired: every so many, and all of the centre."""
    steps = [np.arange(n) - n // 2 for n in shape]
    regular = [step % factor == 0 for step, factor in zip(steps, acceleration, strict=True)]
    centre = [np.abs(2 * step + 1) <= calibration for step in steps]
    return [(int(y), int(z)) for y, z in np.argwhere(np.outer(*regular) | np.outer(*centre))]


def write_kspace(
    path: Path,
    affine: np.ndarray,
    signals: Iterable[torch.Tensor],
    sd: float,
    draws: Sequence[torch.Generator],
    settings: Simulate,
) -> None:
    """Write the k-space of all echoes as ISMRMRD, with a noise scan where there is noise.

    Parameters
    ----------
    path
        The file.
    affine
        4x4, voxel to scanner coordinates, mm.
    signals
        Complex images of the echoes, (X, Y, Z).
    sd
        Of each coil's noise, in the real and in the imaginary channel of an image.
    draws
        Of the noise, on the CPU: one of the noise scan, then one an echo.
    settings
        Coils, acceleration, calibration lines, echo times and field strength.
    """
    remaining = iter(signals)
    first = next(remaining)
    x, y, z = first.shape
    protocol = Protocol(affine, (x, y, z), settings.te, settings.b0, acceleration_of(settings))
    lines = sampled_lines((y, z), protocol.acceleration, settings.calibration)
    maps = sensitivities(torch.tensor(affine, dtype=torch.float32, device=first.device), (x, y, z), settings.coils)
    with Writer(path, protocol) as writer:
        if sd > 0:
            writer.noise((sd * _noise(settings.coils, (_NOISE_SAMPLES,), draws[0])).numpy())
        for echo, (signal, draw) in enumerate(zip(chain([first], remaining), draws[1:], strict=True)):
            kspace = to_kspace(maps * signal).cpu() + sd * _noise(settings.coils, (x, y, z), draw)
            writer.echo(echo, kspace.numpy(), lines)


def _noise(coils: int, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Noise of unit SD in each channel, (C, ...), of which neighbours share some."""
    neighbours = torch.diag(torch.full((coils - 1,), _CROSSTALK), 1)
    mixing = (torch.eye(coils) + neighbours + neighbours.T).to(torch.complex64)
    mixing /= torch.linalg.vector_norm(mixing, dim=1, keepdim=True)
    white = torch.view_as_complex(torch.randn((coils, *shape, 2), generator=generator))
    return (mixing @ white.flatten(1)).reshape(white.shape)
