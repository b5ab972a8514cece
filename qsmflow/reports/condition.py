"""How well a set of orientations sees each direction of k-space, as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qsmflow.core.inversion.cosmos import Condition, sensitivity
from qsmflow.reports.blocks import Picture

#: The largest value there is: a direction along B0 in every orientation.
_MOST = 2.0 / 3.0


def condition_picture(name: str, b0_dirs: Sequence[Sequence[float]], found: Condition) -> Picture:
    """The upper half of the directions of k-space seen from above, in colour how well COSMOS sees them.

    Parameters
    ----------
    name
        Of the head.
    b0_dirs
        Directions of B0 in the voxel axes of the reference.
    found
        What `qsmflow.core.inversion.cosmos.condition` says of them, for the words.
    """
    figure = Figure(figsize=(5.6, 4.4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    side = torch.linspace(-1.0, 1.0, 401, dtype=torch.float64)
    x, y = torch.meshgrid(side, side, indexing="xy")
    # equal areas: the distance from the middle is sqrt(1 - cos) of the angle to z
    radius2 = x**2 + y**2
    z = (1.0 - radius2).clamp(0.0)
    ring = (1.0 - z**2).sqrt() / radius2.sqrt().clamp(1e-12)
    seen = sensitivity(torch.stack([x * ring, y * ring, z], dim=-1), b0_dirs).numpy()
    seen[radius2.numpy() > 1] = np.nan
    shown = axes.imshow(seen, origin="lower", extent=(-1, 1, -1, 1), cmap="viridis", vmin=0, vmax=_MOST)
    for direction in b0_dirs:
        unit = np.asarray(direction, dtype=float) / np.linalg.norm(direction)
        unit = unit if unit[2] >= 0 else -unit
        across = np.hypot(*unit[:2])
        at = unit[:2] / across * np.sqrt(1 - unit[2]) if across > 0 else (0.0, 0.0)
        axes.plot(*at, "o", mfc="none", mec="#d55e00", mew=2, ms=9)
    axes.set_frame_on(False)
    axes.set_xlabel("first voxel axis")
    axes.set_ylabel("second voxel axis")
    axes.set_xticks([])
    axes.set_yticks([])
    figure.colorbar(shown, ax=axes, label="root mean square of the dipole kernels")
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    told = f"least {found.smallest:.3f}, and {100 * found.weak:.1f} % below 0.1"
    return Picture(
        f"{name}_condition",
        out.getvalue(),
        f"Directions of k-space of {name}, coloured by how well {len(b0_dirs)} orientations see them: {told}.",
        f"How well each direction of k-space is seen ({told}); third voxel axis in the middle, circles are B0.",
    )
