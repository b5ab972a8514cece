from __future__ import annotations

import numpy as np
import pytest

from qsmflow.core.mask.surface import fill, grow, icosphere, subdivide, vertex_normals


@pytest.mark.parametrize("subdivisions", [0, 1, 3])
def test_icosphere_is_closed_and_faces_outward(subdivisions):
    vertices, faces = icosphere(subdivisions)
    assert len(faces) == 20 * 4**subdivisions
    assert len(vertices) - len(faces) * 3 // 2 + len(faces) == 2  # Euler
    assert np.allclose(np.linalg.norm(vertices, axis=1), 1, atol=1e-6)
    assert (np.einsum("vi,vi->v", vertex_normals(vertices, faces), vertices) > 0.99).all()


def test_subdivision_keeps_the_first_vertices():
    vertices, faces = icosphere(1)
    finer, split = subdivide(vertices, faces)
    assert np.array_equal(finer[: len(vertices)], vertices)
    assert len(split) == 4 * len(faces)


def test_fill_gives_the_voxels_of_a_ball():
    vertices, faces = icosphere(4)
    inside = fill(20 * vertices + np.float32(30), faces, (60, 61, 62))
    at = np.indices((60, 61, 62)) - 30
    assert (inside != (np.square(at).sum(0) < 400)).sum() < 0.005 * inside.sum()


def test_fill_stops_at_the_grid():
    vertices, faces = icosphere(3)
    assert fill(50 * vertices + np.float32(5), faces, (10, 10, 10)).all()
    assert not fill(vertices + np.float32(50), faces, (10, 10, 10)).any()


def test_the_surface_rests_on_the_edge_of_a_ball():
    at = 2.0 * (np.indices((50, 50, 50)) - 24.5)
    image = (np.square(at).sum(0) < 36**2).astype(np.float32)
    vertices, faces = icosphere(3)
    grown = grow(image, 2.0, 15 * vertices + 49, faces, levels=(0.0, 0.1, 1.0), fraction=0.6, iterations=200)
    radius = np.linalg.norm(grown - 49, axis=1)
    assert abs(radius.mean() - 36) < 2
    assert radius.std() < 1
