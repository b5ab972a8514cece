"""Endless material: batches that are a function of their number, so that a run can go on anywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property, lru_cache
from pathlib import Path

import torch

from qsmflow.errors import InputError

from . import cosmos
from .anatomy import Anatomy, draw_anatomy, is_kept, load_anatomy, save_anatomy
from .draws import Draws, seeded
from .heads import draw_scene
from .patches import grid_corners
from .recipe import Recipe
from .scene import Scene
from .shapes import cubes_and_spheres, spheres_and_cylinders
from .sights import Batch, Cutter, Sight, joined, load_sight, save_sight


class Stream(ABC):
    """Scenes and batches by number.

    Parameters
    ----------
    recipe, device
        What to draw, and where.
    part
        ``training`` or ``validation``, which share nothing.
    """

    def __init__(self, recipe: Recipe, device: torch.device, part: str):
        self.recipe, self.device, self.part = recipe, device, part
        self.cutter = Cutter(recipe)

    @abstractmethod
    def scene(self, number: int) -> Scene:
        """The scene of a number."""

    @abstractmethod
    def batch(self, number: int) -> Batch:
        """The batch of a number: the same whatever was asked before."""

    def sight(self, number: int) -> Sight:
        """The scene of a number as the network sees it."""
        return self.cutter.see(self.scene(number), self.draws("sight", number))

    def draws(self, *key: int | str) -> Draws:
        """Random numbers of a purpose."""
        return Draws(seeded(self.part, self.recipe.fit.seed, *key))


class Shapes(Stream):
    """Every patch is a scene of its own: spheres and cylinders, or cubes and spheres."""

    def scene(self, number: int) -> Scene:
        """As large as a patch."""
        data = self.recipe.data
        make = spheres_and_cylinders if data.kind == "spheres" else cubes_and_spheres
        generator = self.draws("scene", number).generator
        return make(generator, data.patch, largest=data.largest, device=self.device)

    def batch(self, number: int) -> Batch:
        """Of fresh scenes."""
        size = self.recipe.fit.batch
        numbers = range(number * size, (number + 1) * size)
        return joined([self.cutter.cut(self.sight(n), (0, 0, 0), self.draws("patch", n)) for n in numbers])


class Heads(Stream):
    """Patches of a window of domain-randomised heads, of which one is replaced every few batches.

    Parameters
    ----------
    folder
        Where anatomies are kept, since to make one takes as long as many patches; and, if the recipe says so, volumes.
    """

    def __init__(self, recipe: Recipe, device: torch.device, part: str, folder: Path):
        super().__init__(recipe, device, part)
        self._folder = folder
        self._window = lru_cache(maxsize=recipe.data.window)(self.sight)

    def scene(self, number: int) -> Scene:
        """One of the anatomies with susceptibilities of its own."""
        draw, anatomies = self.draws("scene", number), self.recipe.data.anatomies
        which = draw.integer(anatomies) if anatomies else number
        return draw_scene(self._anatomy(which), draw.generator, largest=self.recipe.data.largest)

    def sight(self, number: int) -> Sight:
        """The scene of a number as the network sees it: made, or kept from when it was first made."""
        kept = self.recipe.data.kept
        if not kept:
            return super().sight(number)
        which = number if self.part == "validation" else number % kept
        path = self._path(f"volume-{which:04d}")
        if is_kept(path):
            return load_sight(path, self.device)
        sight = super().sight(which)
        save_sight(sight, path)
        return sight

    def batch(self, number: int) -> Batch:
        """Patches at random places of the heads in the window."""
        oldest, parts = number // self.recipe.data.renew, []
        for place in range(self.recipe.fit.batch):
            draw = self.draws("patch", number, place)
            parts.append(self.cutter.cut(self._window(oldest + draw.integer(self.recipe.data.window)), None, draw))
        return joined(parts)

    def _anatomy(self, number: int) -> Anatomy:
        straight, path = self.recipe.frame == "fixed", self._path(f"{number:04d}")
        if is_kept(path):
            return load_anatomy(path, self.device)
        anatomy = draw_anatomy(self.draws("anatomy", number).generator, straight=straight, device=self.device)
        if self.recipe.data.anatomies:
            save_anatomy(anatomy, path)
        return anatomy

    def _path(self, what: str) -> Path:
        return self._folder / f"{self.part}-{self.recipe.frame}-{self.recipe.fit.seed}-{what}.pt"


class Cosmos(Stream):
    """Patches of local fields with COSMOS labels, at random, or on a grid and every one once an epoch.

    Of the heads (not of their orientations) every fifth, and at least one, is for ``validation``.

    Raises
    ------
    InputError
        There are labels of fewer than two heads.
    """

    def __init__(self, recipe: Recipe, device: torch.device, part: str):
        super().__init__(recipe, device, part)
        found = cosmos.labelled(Path(recipe.data.folder))
        heads = sorted({files.head for files in found})
        if len(heads) < 2:
            raise InputError(f"{recipe.data.folder}: labels of one head; two are needed, one of them to validate with")
        self._files = [files for files in found if (files.head in heads[::5]) == (part == "validation")]
        self._copies = 2 if recipe.data.rotation else 1
        self._kept = lru_cache(maxsize=self._copies * len(self._files))(self.sight)

    def scene(self, number: int) -> Scene:
        """The volume of a number; with rotation every second one is a turned one."""
        index, turned = divmod(number, self._copies)
        scene = cosmos.load(self._files[index % len(self._files)], self.cutter.card).to(self.device)
        return cosmos.turned(scene, self.draws("turn", number), self.recipe.data.rotation) if turned else scene

    def batch(self, number: int) -> Batch:
        """Patches of random volumes, or the next of the grid in the order of this epoch."""
        size, parts = self.recipe.fit.batch, []
        for index in range(number * size, (number + 1) * size):
            draw = self.draws("patch", index)
            if self.recipe.data.overlap:
                epoch, at = divmod(index, len(self._corners))
                volume, corner = self._corners[self._order(epoch)[at]]
                parts.append(self.cutter.cut(self._kept(volume), corner, draw))
            else:
                volume = draw.integer(self._copies * len(self._files))
                parts.append(self.cutter.cut(self._kept(volume), None, draw))
        return joined(parts)

    @cached_property
    def _corners(self) -> list[tuple[int, tuple[int, ...]]]:
        """Volume and place of every patch of the grid."""
        data, corners = self.recipe.data, []
        for volume in range(self._copies * len(self._files)):
            shape = self._kept(volume).scene.mask.shape
            corners += [(volume, corner) for corner in grid_corners(shape, data.patch, data.overlap)]
        return corners

    def _order(self, epoch: int) -> list[int]:
        """A permutation of all patches of the grid."""
        generator = self.draws("order", epoch).generator
        return torch.randperm(len(self._corners), generator=generator).tolist()


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
