"""The embedded brain mask: no download, no outside program, gradient-echo magnitude in, mask out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from .intensity import flatten, from_isotropic, to_isotropic
from .region import thickest_region
from .surface import fill, grow, icosphere, subdivide

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Isotropic working grid, mm, and how many of its voxels are added by repeating the edge, so that tissue which runs out
#: of the field of view is not taken to end there.
SPACING, BORDER = 2.0, 12
#: The surface rests where intensity falls below this part of the tissue's (skull, air).
EDGE = 0.6
#: Steps of the surface with 642 and then with 2562 vertices.
STEPS = (300, 150)
#: Under the surface lie dura and the outer CSF: a plain layer, mm, and from there voxels dimmer than `DIM` of the
#: tissue that hang together with the outside, down to `RIM_MM`.
DURA_MM, DIM, RIM_MM = 2.0, 0.9, 5.0
#: A region with this share of all foreground has no scalp round it: the head was extracted before, or is none.
BARE = 0.95
#: Least volume of a mask, ml.
LEAST_ML = 1.0


def brain_mask(magnitude: Tensor, voxel_size: tuple[float, float, float]) -> Tensor:
    """Find the brain in a gradient-echo magnitude.

    On a grid of 2 mm the shading of the coils is divided out, the head is cut at its narrow passages (neck, orbits), a
    deformable surface grows inside the thickest piece up to the skull, and dura and dim outer CSF are peeled off. Where
    no scalp surrounds that piece (an image extracted before, a block of brain, a phantom), the mask is all tissue.

    Parameters
    ----------
    magnitude
        (X, Y, Z), any unit: an early echo or the root sum of squares of all.
    voxel_size
        In mm.

    Returns
    -------
    Tensor
        (X, Y, Z) bool on the device of `magnitude`. Peak memory about 8 float32 volumes, on the CPU.

    Raises
    ------
    ValueError
        No brain is to be found: nothing but zeros or noise, or NaN and Inf voxels.

    Source
    ------
    The surface: S. M. Smith, Hum Brain Mapp 17:143 (2002). The rest is ours.
    """
    if magnitude.ndim != 3:
        raise ValueError(f"magnitude has {magnitude.ndim} axes; a brain mask needs a 3-D volume")
    image = magnitude.detach().to("cpu", torch.float32).numpy()
    if not np.isfinite(image).all():
        raise ValueError("magnitude holds NaN or Inf voxels; set them to zero first")
    if not (image > 0).any():
        raise ValueError("magnitude has no voxel above zero: no brain can be found")
    if _is_noise(image):
        raise ValueError("magnitude holds nothing but noise: no brain can be found")
    coarse = np.pad(to_isotropic(image, voxel_size, SPACING), BORDER, mode="edge")
    within = np.pad(np.ones([n - 2 for n in coarse.shape], dtype=bool), 1)
    flat, foreground = flatten(coarse * within, SPACING)
    region, depth = thickest_region(foreground & within, SPACING)
    seen = (slice(BORDER, -BORDER),) * 3
    if region[seen].sum() > BARE * foreground[seen].sum():
        inside = ndimage.binary_fill_holes(region)
    else:
        inside = _largest(_peel(_skull_stripped(flat, foreground, region, depth), flat))
    distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    mask = from_isotropic(distance.astype(np.float32), image.shape, voxel_size, SPACING, BORDER) > 0
    if mask.sum() * np.prod(voxel_size) / 1000 < LEAST_ML:
        raise ValueError("magnitude shows no connected tissue: no brain can be found; supply a mask")
    return torch.from_numpy(mask).to(magnitude.device)


def _is_noise(image: Array) -> bool:
    """Whether the image scatters as noise does and its neighbouring voxels have nothing in common."""
    deviation = image - image.mean()
    variance = float(np.square(deviation).mean())
    if variance < (0.3 * float(image.mean())) ** 2:  # Rayleigh noise has 0.52
        return False
    shared = [float((deviation[1:] * deviation[:-1]).mean()), float((deviation[:, 1:] * deviation[:, :-1]).mean())]
    return max(shared) < 0.3 * variance


def _skull_stripped(flat: Array, foreground: Mask, region: Mask, depth: Array) -> Mask:
    """Inside of the surface that grew in `region`."""
    tissue, dark = float(np.median(flat[region])), float(np.median(flat[~foreground]))
    work = np.where(region, flat, np.minimum(flat, dark))
    radius = float(depth[region].max())
    centre = np.array(ndimage.center_of_mass(region & (depth > 0.7 * radius))) * SPACING
    sphere, faces = icosphere(3)
    points = (sphere * (0.6 * radius) + centre).astype(np.float32)
    levels = (dark, dark + 0.1 * (tissue - dark), tissue)
    points = grow(work, SPACING, points, faces, levels=levels, fraction=EDGE, iterations=STEPS[0])
    points, faces = subdivide(points, faces)
    points = grow(work, SPACING, points, faces, levels=levels, fraction=EDGE, iterations=STEPS[1])
    return fill(points / SPACING, faces, flat.shape)


def _peel(inside: Mask, flat: Array) -> Mask:
    """`inside` without dura and dim outer CSF, smoothed."""
    below = ndimage.distance_transform_edt(inside) * SPACING - SPACING / 2
    dim = ndimage.gaussian_filter(flat, 0.5) < DIM * np.median(flat[inside])
    outer = below <= DURA_MM
    rim = ndimage.binary_propagation(outer, mask=outer | (dim & (below <= RIM_MM)))
    opened = ndimage.binary_opening(~rim, iterations=2)
    return ndimage.binary_closing(opened, iterations=3) | opened


def _largest(mask: Mask) -> Mask:
    labels, _ = ndimage.label(mask)
    size = np.bincount(labels.ravel())
    size[0] = 0
    return ndimage.binary_fill_holes((labels == size.argmax()) & mask)
