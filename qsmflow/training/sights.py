"""Scenes as a network sees them: channels, whole and cut into patches."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from qsmflow.nets.channels import Channel, compute, normalise

from .anatomy import write_whole
from .draws import Draws
from .losses import Target
from .patches import cut, random_corner
from .recipe import Recipe
from .scene import Scene, Vector


@dataclass(frozen=True)
class Batch:
    """Patches side by side, (N, C, X, Y, Z), or (N, C, X, Y) for a network of slices.

    Attributes
    ----------
    inputs
        What the network is given, normalised.
    truth, mask, field
        What it should give, where that counts, and the local field; ppm, one channel.
    voxel_sizes, b0_dirs
        Of each patch.
    """

    inputs: torch.Tensor
    truth: torch.Tensor
    mask: torch.Tensor
    field: torch.Tensor
    voxel_sizes: tuple[Vector, ...]
    b0_dirs: tuple[Vector, ...]

    def targets(self) -> Iterator[Target]:
        """One for each patch, (1, 1, X, Y, Z)."""
        for number, (voxel_size, b0_dir) in enumerate(zip(self.voxel_sizes, self.b0_dirs, strict=True)):
            one = slice(number, number + 1)
            yield Target(self.truth[one], self.mask[one], self.field[one], voxel_size, b0_dir)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in _VOLUMES}
        return dataclasses.replace(self, **moved)


_VOLUMES = ("inputs", "truth", "mask", "field")


@dataclass(frozen=True)
class Sight:
    """A scene as the network sees it.

    Attributes
    ----------
    scene
        What it is made of.
    inputs
        Normalised channels, (C, X, Y, Z).
    truth
        ppm, (X, Y, Z).
    """

    scene: Scene
    inputs: torch.Tensor
    truth: torch.Tensor


def save_sight(sight: Sight, path: Path) -> None:
    """Keep a sight in a file, as float16 but for its mask."""
    scene = sight.scene.to(torch.float16)
    write_whole({"scene": vars(scene), "inputs": sight.inputs.half(), "truth": sight.truth.half()}, path)


def load_sight(path: Path, device: torch.device) -> Sight:
    """A sight that `save_sight` kept."""
    kept = torch.load(path, map_location=device)
    return Sight(Scene(**kept["scene"]).to(torch.float32), kept["inputs"].float(), kept["truth"].float())


class Cutter:
    """Turns scenes into patches: channels, normalisation, place, mirroring, scaling.

    Parameters
    ----------
    recipe
        Says which of these.
    """

    def __init__(self, recipe: Recipe):
        self.recipe, self.card = recipe, recipe.card()
        self.dims = recipe.outline().dims

    def see(self, scene: Scene, draw: Draws) -> Sight:
        """The channels of a whole scene, with the noise that the recipe adds."""
        levels = self.recipe.data.noise
        if levels:
            scene = scene.with_noise(levels[draw.integer(len(levels))], draw)
        inputs = normalise(compute(self.card.inputs, scene.scan), self.card.inputs, scene.mask)
        return Sight(scene, inputs, scene.chi if self.recipe.output == "chi" else scene.clean)

    def cut(self, sight: Sight, corner: Sequence[int] | None, draw: Draws) -> Batch:
        """A batch of one patch, at a corner or, without one, at a random place."""
        data, scene = self.recipe.data, sight.scene
        at = random_corner(scene.mask, data.patch, draw) if corner is None else corner
        volumes = [sight.inputs, sight.truth[None], scene.mask[None].float(), scene.field[None]]
        if self.dims == 2:
            one = at[2] + draw.integer(min(data.patch, scene.mask.shape[2] - at[2]))
            volumes, at = [volume[..., one] for volume in volumes], at[:2]
        patches = [cut(volume, at, data.patch) for volume in volumes]
        b0_dir = list(scene.b0_dir)
        for axis in range(self.dims):
            if data.flips and draw.chance(0.5):
                patches = [patch.flip(axis + 1) for patch in patches]
                b0_dir[axis] = -b0_dir[axis]
        factor = draw.between(1.0, data.scale) * (draw.sign() if data.invert else 1.0)
        inputs, truth, mask, field = (patch[None] for patch in patches)
        every = zip(self.card.inputs, inputs.unbind(1), strict=True)
        inputs = torch.stack([_scaled(channel, volume, factor) for channel, volume in every], 1)
        x, y, z = b0_dir
        return Batch(inputs, factor * truth, mask, factor * field, (scene.voxel_size,), ((x, y, z),))


def _scaled(channel: Channel, volume: torch.Tensor, factor: float) -> torch.Tensor:
    """A channel where field and noise are multiplied by `factor`; a standard deviation has no sign."""
    if channel.name == "certainty":  # 1 / (1 + noise^2), with noise in its own unit
        return volume / (volume + factor**2 * (1.0 - volume)).clamp_min(torch.finfo(volume.dtype).tiny)
    if channel.unit != "ppm":
        return volume
    return (abs(factor) if channel.name == "noise" else factor) * volume


def joined(parts: Sequence[Batch]) -> Batch:
    """Batches as one."""
    return Batch(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in _VOLUMES},
        voxel_sizes=tuple(part.voxel_sizes[0] for part in parts),
        b0_dirs=tuple(part.b0_dirs[0] for part in parts),
    )
