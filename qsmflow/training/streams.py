"""Endless material: batches that are a function of their number, so that a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from qsmflow.errors import InputError
from qsmflow.nets.channels import compute, normalise

from . import cosmos
from .anatomy import Anatomy, draw_anatomy, load_anatomy, save_anatomy
from .draws import Draws, seeded
from .heads import draw_scene
from .losses import Target
from .patches import cut, grid_corners, random_corner
from .recipe import Recipe
from .scene import Scene, Vector
from .shapes import cubes_and_spheres, spheres_and_cylinders


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
        moved = (volume.to(device) for volume in (self.inputs, self.truth, self.mask, self.field))
        return Batch(*moved, self.voxel_sizes, self.b0_dirs)


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


class Cutter:
    """Turns scenes into patches: channels, normalisation, place, mirroring, scaling.

    Parameters
    ----------
    recipe
        Says which of these.
    """

    def __init__(self, recipe: Recipe):
        self.recipe, self.card = recipe, recipe.card()
        self.dims = self.card.build().dims

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
            slab = min(at[2] + draw.integer(data.patch), scene.mask.shape[2] - 1)
            volumes, at = [volume[..., slab] for volume in volumes], at[:2]
        patches = [cut(volume, at, data.patch) for volume in volumes]
        b0_dir = list(scene.b0_dir)
        for axis in range(self.dims):
            if data.flips and draw.chance(0.5):
                patches = [patch.flip(axis + 1) for patch in patches]
                b0_dir[axis] = -b0_dir[axis]
        factor = draw.between(1.0, data.scale) * (draw.sign() if data.invert else 1.0)
        inputs, truth, mask, field = (patch[None] for patch in patches)
        factors = inputs.new_tensor([factor if channel.unit == "ppm" else 1.0 for channel in self.card.inputs])
        inputs = inputs * factors.view(-1, *[1] * self.dims)
        x, y, z = b0_dir
        return Batch(inputs, factor * truth, mask, factor * field, (scene.voxel_size,), ((x, y, z),))


def _joined(parts: Sequence[Batch]) -> Batch:
    volumes = (torch.cat([getattr(part, name) for part in parts]) for name in ("inputs", "truth", "mask", "field"))
    sizes = tuple(part.voxel_sizes[0] for part in parts)
    return Batch(*volumes, sizes, tuple(part.b0_dirs[0] for part in parts))


class Shapes:
    """Every patch is a scene of its own: spheres and cylinders, or cubes and spheres.

    Parameters
    ----------
    recipe, device
        What to draw, and where.
    part
        ``training`` or ``validation``, which share nothing.
    """

    def __init__(self, recipe: Recipe, device: torch.device, part: str):
        self._cutter, self._device, self._part = Cutter(recipe), device, part

    def scene(self, number: int) -> Scene:
        """The scene of a number, as large as a patch."""
        data = self._cutter.recipe.data
        make = spheres_and_cylinders if data.kind == "spheres" else cubes_and_spheres
        generator = seeded(self._part, self._cutter.recipe.fit.seed, number)
        return make(generator, data.patch, largest=data.largest, device=self._device)

    def batch(self, number: int) -> Batch:
        """Of fresh scenes."""
        recipe, parts = self._cutter.recipe, []
        for place in range(recipe.fit.batch):
            index = number * recipe.fit.batch + place
            draw = Draws(seeded("patch", self._part, recipe.fit.seed, index))
            parts.append(self._cutter.cut(self._cutter.see(self.scene(index), draw), (0, 0, 0), draw))
        return _joined(parts)


class Heads:
    """Patches of a window of domain-randomised heads, of which one is replaced every few batches.

    Parameters
    ----------
    recipe, device, part
        As of `Shapes`.
    folder
        Where anatomies are kept, since to make one takes as long as many patches.
    """

    def __init__(self, recipe: Recipe, device: torch.device, part: str, folder: Path):
        self._cutter, self._device, self._part, self._folder = Cutter(recipe), device, part, folder
        self._see = lru_cache(maxsize=recipe.data.window)(self._seen)

    def scene(self, number: int) -> Scene:
        """The scene of a number."""
        recipe = self._cutter.recipe
        generator = seeded(self._part, recipe.fit.seed, number)
        anatomies = recipe.data.anatomies
        which = Draws(generator).integer(anatomies) if anatomies else number
        return draw_scene(self._anatomy(which), generator, largest=recipe.data.largest)

    def batch(self, number: int) -> Batch:
        """Patches at random places of the heads in the window."""
        recipe, parts = self._cutter.recipe, []
        oldest = number // recipe.data.renew
        for place in range(recipe.fit.batch):
            draw = Draws(seeded("patch", self._part, recipe.fit.seed, number, place))
            parts.append(self._cutter.cut(self._see(oldest + draw.integer(recipe.data.window)), None, draw))
        return _joined(parts)

    def _seen(self, number: int) -> Sight:
        draw = Draws(seeded("sight", self._part, self._cutter.recipe.fit.seed, number))
        return self._cutter.see(self.scene(number), draw)

    def _anatomy(self, number: int) -> Anatomy:
        recipe = self._cutter.recipe
        path = self._folder / f"{self._part}-{recipe.frame}-{recipe.fit.seed}-{number:04d}.pt"
        if path.is_file():
            return load_anatomy(path, self._device)
        generator = seeded("anatomy", self._part, recipe.fit.seed, number)
        anatomy = draw_anatomy(generator, straight=recipe.frame == "fixed", device=self._device)
        if recipe.data.anatomies:
            save_anatomy(anatomy, path)
        return anatomy


class Cosmos:
    """Patches of local fields with COSMOS labels, at random or on a grid, every one once an epoch.

    Parameters
    ----------
    recipe, device
        As of `Shapes`.
    part
        Of the heads (not of their orientations) every fifth, and at least one, is for ``validation``.
    """

    def __init__(self, recipe: Recipe, device: torch.device, part: str):
        self._cutter, self._device, self._part = Cutter(recipe), device, part
        found = cosmos.labelled(Path(recipe.data.folder))
        heads = sorted({files.head for files in found})
        held_out = set(heads[::5])
        if len(heads) < 2:
            raise InputError(f"{recipe.data.folder}: labels of one head; two are needed, one of them to validate with")
        self._files = [files for files in found if (files.head in held_out) == (part == "validation")]
        self._see = lru_cache(maxsize=2 * len(self._files))(self._seen)
        self._corners: list[tuple[int, tuple[int, ...]]] = []
        if recipe.data.overlap:
            for index, files in enumerate(self._files):
                corners = grid_corners(cosmos.shape(files), recipe.data.patch, recipe.data.overlap)
                self._corners += [(index, corner) for corner in corners]

    def scene(self, number: int) -> Scene:
        """The volume of a number; with rotation every second one is a turned one."""
        data = self._cutter.recipe.data
        index, turn = divmod(number, 2) if data.rotation else (number, 0)
        scene = cosmos.load(self._files[index % len(self._files)]).to(self._device)
        if not turn:
            return scene
        draw = Draws(seeded("turn", self._cutter.recipe.fit.seed, number))
        return cosmos.turned(scene, draw, data.rotation)

    def batch(self, number: int) -> Batch:
        """Patches of random volumes, or the next of the grid in the order of this epoch."""
        recipe, parts = self._cutter.recipe, []
        copies = 2 if recipe.data.rotation else 1
        for place in range(recipe.fit.batch):
            index = number * recipe.fit.batch + place
            draw = Draws(seeded("patch", self._part, recipe.fit.seed, index))
            volume, corner = draw.integer(copies * len(self._files)), None
            if self._corners:
                epoch, at = divmod(index, copies * len(self._corners))
                order = self._order(epoch, copies * len(self._corners))
                turn, which = divmod(order[at], len(self._corners))
                volume, corner = copies * self._corners[which][0] + turn, self._corners[which][1]
            parts.append(self._cutter.cut(self._see(volume), corner, draw))
        return _joined(parts)

    def _order(self, epoch: int, count: int) -> list[int]:
        generator = seeded("order", self._part, self._cutter.recipe.fit.seed, epoch)
        return torch.randperm(count, generator=generator).tolist()

    def _seen(self, number: int) -> Sight:
        draw = Draws(seeded("sight", self._part, self._cutter.recipe.fit.seed, number))
        return self._cutter.see(self.scene(number), draw)


Stream = Shapes | Heads | Cosmos


def open_stream(recipe: Recipe, part: str, folder: Path, device: torch.device) -> Stream:
    """The material of a recipe.

    Parameters
    ----------
    part
        ``training`` or ``validation``.
    folder
        Where what is slow to make is kept.
    """
    if recipe.data.kind == "heads":
        return Heads(recipe, device, part, folder)
    return Cosmos(recipe, device, part) if recipe.data.kind == "cosmos" else Shapes(recipe, device, part)
