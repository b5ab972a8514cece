"""The procedural brain's inside: ventricles, deep grey nuclei, lesions."""

from __future__ import annotations

from collections.abc import Callable

import torch

from qsmflow.phantom.shapes import Coordinates, ellipsoid, mirrored, path, union

Shape = Callable[[Coordinates], torch.Tensor]


def _turned(side: Coordinates, centre: tuple[float, float, float], slant: float) -> Coordinates:
    """Shear so that a structure runs from front-medial to back-lateral (negative slant) around its centre."""
    x, y, z = side
    return x - slant * (y - centre[1]), y, z


def ventricles(side: Coordinates) -> torch.Tensor:
    """Lateral, third and fourth ventricle, and the aqueduct."""
    body = path(
        side,
        ((9, 31, 8), (8.5, 22, 13), (8, 5, 20), (11, -18, 21), (19, -34, 14), (24, -40, 6), (24, -58, 5)),
        (3.0, 4.6, 3.6, 3.4, 5.0, 6.0, 2.2),
    )
    temporal = path(side, ((24, -40, 6), (32, -27, -8), (32, -8, -17)), (5.0, 2.4, 1.8))
    third = ellipsoid(side, (0, -8, 1), (1.9, 15, 11))
    aqueduct = path(side, ((0, -22, -3), (0, -30, -12), (0, -36, -24)), (1.1, 1.0, 1.2))
    fourth = ellipsoid(side, (0, -38, -31), (6.5, 5, 10))
    return union(torch.maximum(body, 1.2 - side[0]), temporal, third, aqueduct, fourth)


def caudate(side: Coordinates) -> torch.Tensor:
    """Head, body and tail along the lateral ventricle."""
    head = ellipsoid(_turned(side, (13.5, 16, 7), -0.15), (13.5, 17, 7), (5.6, 11, 8.5))
    tail = path(side, ((14.5, 12, 14), (15.5, -2, 20.5), (18.5, -18, 21), (26, -32, 13)), (4.6, 3.4, 2.4, 1.4))
    return union(head, tail)


def putamen(side: Coordinates) -> torch.Tensor:
    """Shell lateral to the pallidum."""
    return ellipsoid(_turned(side, (25.5, 2, 2), -0.22), (25.5, 2, 2), (5.4, 16.5, 10.5))


def pallidum(side: Coordinates) -> torch.Tensor:
    """Globus pallidus, medial to the putamen."""
    return ellipsoid(_turned(side, (18.3, -2, 0), -0.32), (18.3, -2, 0), (4.4, 9.5, 6.5))


def thalamus(side: Coordinates) -> torch.Tensor:
    """Beside the third ventricle, with the pulvinar at its back."""
    front = ellipsoid(_turned(side, (10, -16, 7), -0.28), (10, -16, 7), (7.6, 13.5, 8.5))
    return union(front, ellipsoid(side, (14.5, -26, 6), (7, 6, 7)))


def red_nucleus(side: Coordinates) -> torch.Tensor:
    """In the midbrain."""
    return ellipsoid(side, (5.2, -20, -8), (2.9, 3.2, 4.0))


def nigra(side: Coordinates) -> torch.Tensor:
    """Substantia nigra and subthalamic nucleus."""
    x, y, z = side
    flat = (x + 0.6 * (y + 16.0), y - 0.3 * (x - 9.5), z)
    return union(
        ellipsoid(flat, (9.5, -15.5, -12), (5.6, 2.0, 4.0)),
        ellipsoid((x, y, z - 0.4 * (x - 11.5)), (11.5, -13, -5), (4.2, 3.4, 1.9)),
    )


def dentate(side: Coordinates) -> torch.Tensor:
    """A crumpled shell in the white matter of the cerebellum."""
    x, y, z = side
    wave = 0.5 * torch.sin(1.6 * x) * torch.sin(1.6 * y) + 0.4 * torch.sin(1.9 * z)
    solid = ellipsoid(_turned(side, (15, -55, -33), -0.4), (15, -55, -33), (6.5, 8, 5.5)) + wave
    return (solid + 1.1).abs() - 1.1


#: Label and shape, in the order in which they are painted.
NUCLEI: tuple[tuple[int, Shape], ...] = (
    (7, thalamus),
    (3, putamen),
    (2, pallidum),
    (1, caudate),
    (6, nigra),
    (4, red_nucleus),
    (5, dentate),
    (10, ventricles),
)
#: Box that holds them all, mm.
LOW, HIGH = (-44.0, -68.0, -46.0), (44.0, 42.0, 34.0)


def make_deep(
    at: Coordinates, rough: torch.Tensor, lesions: list[tuple[int, tuple[float, ...], tuple[float, ...]]]
) -> tuple[list[int], torch.Tensor]:
    """All deep structures at the (warped) coordinates `at`.

    Parameters
    ----------
    at
        Of the nodes of a lattice.
    rough
        Noise that roughens the lesions, (X, Y, Z).
    lesions
        Label, centre and radii (mm) of each.

    Returns
    -------
    labels
        In painting order.
    distances
        mm, negative inside, (len(labels), X, Y, Z).
    """
    side = mirrored(at)
    labels = [label for label, _ in NUCLEI] + [label for label, _, _ in lesions]
    shapes = [shape(side) for _, shape in NUCLEI]
    shapes += [ellipsoid(at, centre, radii) + 0.15 * min(radii) * rough for _, centre, radii in lesions]
    return labels, torch.stack(shapes)


def draw_lesions(generator: torch.Generator) -> list[tuple[int, tuple[float, ...], tuple[float, ...]]]:
    """A haemorrhage in the white matter of one side, a calcification of the pineal and one in the other side."""
    u = torch.rand(8, generator=generator).tolist()
    sign = 1.0 if u[0] < 0.5 else -1.0
    bleed = (sign * (28.0 + 6.0 * u[1]), -30.0 + 14.0 * u[2], 22.0 + 5.0 * u[3])
    stone = (-sign * (27.0 + 5.0 * u[4]), 24.0 + 6.0 * u[5], 20.0 + 5.0 * u[6])
    return [
        (17, bleed, (4.5 + 2.0 * u[7], 6.0, 4.5)),
        (16, stone, (2.6, 2.2, 2.4)),
        (16, (0.0, -33.0, 3.0), (2.0, 2.2, 2.0)),
    ]
