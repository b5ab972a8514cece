"""Deformable surface that grows inside a head until it rests on the brain's edge, and its conversion to a mask.

Numpy on the CPU: the mesh is small and its work is indexing. After S. M. Smith, "Fast robust automated brain
extraction", Hum Brain Mapp 17:143 (2002); the equations named below are that paper's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Points = NDArray[np.float32]
Triangles = NDArray[np.int64]

#: Radii of curvature, mm: below the first the surface is smoothed fully, above the second hardly (r_min, r_max).
CURVATURE_MM = (3.33, 10.0)
#: How far inwards, mm, the darkest and the brightest voxel under a vertex are looked for (Smith's d1 and d2).
DEPTH_DARK_MM, DEPTH_BRIGHT_MM = 20.0, 10.0


def icosphere(subdivisions: int) -> tuple[Points, Triangles]:
    """Return vertices (V, 3) on the unit sphere and outward triangles (F, 3), F = 20 * 4**subdivisions."""
    golden = (1 + 5**0.5) / 2
    corners = [(0.0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    vertices = np.array([np.roll(c, shift) for shift in range(3) for c in corners])
    near = np.linalg.norm(vertices[:, None] - vertices[None], axis=-1) < 2.1
    faces = np.array(
        [(i, j, k) for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[i, k]]
    )
    for _ in range(subdivisions):
        vertices, faces = subdivide(vertices, faces)
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    corner = vertices[faces]
    inward = np.einsum("fi,fi->f", np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), corner[:, 0]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return vertices.astype(np.float32), faces


def subdivide(vertices: Points, faces: Triangles) -> tuple[Points, Triangles]:
    """Return the surface with every triangle split into four; the first vertices are the old ones."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    a, b, c = faces.T
    ab, bc, ca = inverse.reshape(-1, 3).T + len(vertices)
    split = [np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    return np.concatenate([vertices, vertices[unique].mean(axis=1)]), np.concatenate(split)


def vertex_normals(vertices: Points, faces: Triangles) -> Points:
    """Return the outward unit normal of every vertex (V, 3), area-weighted over its triangles."""
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    flat = np.cross(b - a, c - a)
    normals = np.stack(
        [np.bincount(faces.ravel(), np.repeat(flat[:, d], 3), minlength=len(vertices)) for d in range(3)], axis=1
    )
    return (normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)).astype(np.float32)


def grow(
    image: Array,
    spacing: float,
    vertices: Points,
    faces: Triangles,
    *,
    levels: tuple[float, float, float],
    fraction: float,
    iterations: int,
) -> Points:
    """Move a closed surface to the brain's edge.

    Parameters
    ----------
    image
        (X, Y, Z) magnitude with the bias removed; outside it is dark.
    spacing
        Isotropic voxel size of `image`, mm.
    vertices, faces
        (V, 3) in mm (index times `spacing`) and (F, 3); outward oriented.
    levels
        Intensities of darkness, of the head's threshold and of brain tissue (Smith's t2, t and tm).
    fraction
        The edge lies where the darkest voxel under the surface falls below this part of the brightest (Smith's b_t).
    iterations
        Steps of the surface.

    Returns
    -------
    Array
        (V, 3) vertices at rest, mm.

    Source
    ------
    Smith 2002, eqs. 4-13.
    """
    dark, head, tissue = levels
    low, high = CURVATURE_MM
    centre, steep = (1 / low + 1 / high) / 2, 6 / (1 / low - 1 / high)
    links = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])  # closed: each edge once a direction
    degree = np.bincount(links[:, 0], minlength=len(vertices)).astype(np.float32)[:, None]
    depth = np.arange(0.0, DEPTH_DARK_MM + 1e-3, spacing, dtype=np.float32)
    shallow = depth <= DEPTH_BRIGHT_MM
    limit = np.array(image.shape) - 1
    points = vertices.astype(np.float32)
    for _ in range(iterations):
        normal = vertex_normals(points, faces)
        total = np.stack(
            [np.bincount(links[:, 0], points[links[:, 1], d], minlength=len(points)) for d in range(3)], axis=1
        )
        shift = total.astype(np.float32) / degree - points
        edge = np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1).mean()
        along = np.einsum("vi,vi->v", shift, normal)
        tangent = shift - along[:, None] * normal
        curvature = 2 * np.abs(along) / edge**2
        smooth = (1 + np.tanh(steep * (curvature - centre))) / 2
        index = np.rint((points[:, None] - depth[None, :, None] * normal[:, None]) / spacing).astype(np.int64)
        outside = ((index < 0) | (index > limit)).any(axis=-1)
        x, y, z = np.moveaxis(np.clip(index, 0, limit), -1, 0)
        line = np.where(outside, 0.0, image[x, y, z])
        darkest = np.maximum(dark, np.minimum(tissue, line.min(axis=1)))
        brightest = np.minimum(tissue, np.maximum(head, line[:, shallow].max(axis=1)))
        threshold = (brightest - dark) * fraction + dark
        force = 2 * (darkest - threshold) / (brightest - dark)
        points = points + 0.5 * tangent + (smooth * along + 0.05 * force * edge)[:, None] * normal
    return points


def fill(vertices: Points, faces: Triangles, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return the voxels (X, Y, Z) whose centres lie inside a closed outward surface given in voxel coordinates.

    Every triangle is crossed with the grid lines along z that pass through it; the signed crossings summed along a line
    give the winding number, which is positive inside (also where the surface folds over itself).
    """
    corner = vertices[faces].astype(np.float64) + (1.3e-5, 2.9e-5, 0)  # off the lattice: no line meets an edge exactly
    a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    upright = area == 0  # seen edge-on, met by no line
    ab, ac, a, area = ab[~upright], ac[~upright], a[~upright], area[~upright]
    start = np.ceil(corner[~upright, :, :2].min(axis=1)).astype(np.int64)
    width = np.floor(corner[~upright, :, :2].max(axis=1)).astype(np.int64) - start
    crossings = np.zeros((shape[0], shape[1], shape[2] + 1), dtype=np.int32)
    for i in range(int(width[:, 0].max(initial=-1)) + 1):
        for j in range(int(width[:, 1].max(initial=-1)) + 1):
            x, y = start[:, 0] + i, start[:, 1] + j
            px, py = x - a[:, 0], y - a[:, 1]
            u = (px * ac[:, 1] - py * ac[:, 0]) / area
            v = (ab[:, 0] * py - ab[:, 1] * px) / area
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (x >= 0) & (x < shape[0]) & (y >= 0) & (y < shape[1])
            z = np.ceil(a[hit, 2] + u[hit] * ab[hit, 2] + v[hit] * ac[hit, 2]).astype(np.int64)
            np.add.at(crossings, (x[hit], y[hit], np.clip(z, 0, shape[2])), -np.sign(area[hit]).astype(np.int32))
    return np.cumsum(crossings, axis=2)[..., :-1] > 0
