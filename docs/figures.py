"""Draws the pictures of the documentation: `python docs/figures.py demo/bids demo/out`, after `make demo`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from qsmflow import ilsqr, ismv, lbv, load, medi, ndi, pdf, resharp, rts, tkd, tv, vsharp
from qsmflow.core.dipole import dipole_kernel, forward_field
from qsmflow.core.inversion.cosmos import sensitivity

HERE = Path(__file__).parent / "figures"
#: Voxels shown round the brain.
MARGIN = 3
#: Title, volume, largest value shown, and unit; the smallest is its negative, or zero without a unit.
Panel = tuple[str, torch.Tensor, float, str]


class Demo:
    """The first orientation of the demo: its dataset and what was made of it, which lie in the voxel order RAS."""

    def __init__(self, bids: Path, out: Path):
        truth = bids / "derivatives" / "truth"
        self._folders = {"raw": bids / "sub-01", "out": out / "sub-01", "truth": truth / "sub-01"}
        self.brain = self.volume("out", "anat", "desc-brain_mask") > 0
        self.known = self.volume("out", "anat", "desc-local_mask") > 0
        total = load(self._file("out", "fmap", "desc-total_fieldmap"))
        self.total, self.voxel_size, self.b0_dir = total.data, total.voxel_size, total.b0_dir
        self.local = self.volume("out", "fmap", "desc-local_fieldmap")
        self.magnitude = self.volume("out", "fmap", "magnitude")
        self.level = int(torch.nonzero(self.known)[:, 2].float().mean())
        brain = torch.nonzero(self.brain[:, :, self.level])
        low, high = (brain.min(0).values - MARGIN).clamp(min=0).tolist(), (brain.max(0).values + MARGIN + 1).tolist()
        self.window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))

    def _file(self, root: str, folder: str, name: str) -> Path:
        return self._folders[root] / folder / f"sub-01_acq-ori1_{name}.nii.gz"

    def volume(self, root: str, folder: str, name: str) -> torch.Tensor:
        """A volume of ``raw``, ``out`` or ``truth``."""
        return load(self._file(root, folder, name)).data

    def draw(self, name: str, panels: Sequence[Panel], columns: int) -> None:
        """The middle slice of each panel, cut to the brain, `columns` beside each other."""
        rows = -(-len(panels) // columns)
        figure, axes = plt.subplots(rows, columns, figsize=(2.25 * columns, 3.4 * rows), layout="constrained")
        for ax, (title, data, most, unit) in zip(axes.flat, panels, strict=True):
            low = -most if unit and title[0] != "σ" else 0
            # as radiologists look
            drawn = ax.imshow(
                np.rot90(data[:, :, self.level][self.window].numpy()[::-1]), cmap="gray", vmin=low, vmax=most
            )
            ax.set_title(title, fontsize=9)
            ax.set_axis_off()
            bar = figure.colorbar(drawn, ax=ax, orientation="horizontal", shrink=0.7, aspect=30)
            bar.set_label(unit or "a.u.", fontsize=7)
            bar.ax.tick_params(labelsize=6)
        save(figure, name)


def save(figure: plt.Figure, name: str) -> None:
    """Write a picture."""
    figure.savefig(HERE / f"{name}.webp", dpi=100, pil_kwargs={"quality": 85, "method": 6})


def stages(demo: Demo) -> None:
    """One slice after every stage of the demo."""
    maps = {"closed-form L2": "l2", "QSMnet": "qsmnet", "COSMOS of three orientations": "cosmos"}
    demo.draw(
        "stages",
        [
            ("magnitude, all echoes", demo.magnitude, float(demo.magnitude.max()), ""),
            ("phase, last echo", demo.volume("raw", "anat", "echo-4_part-phase_MEGRE"), np.pi, "rad"),
            ("total field", demo.total, 1.0, "ppm"),
            ("local field", demo.local, 0.05, "ppm"),
            *(
                (f"χ, {title}", demo.volume("out", "anat", f"desc-{desc}_Chimap"), 0.1, "ppm")
                for title, desc in maps.items()
            ),
            ("true χ", demo.volume("truth", "anat", "desc-truth_Chimap") * demo.known, 0.1, "ppm"),
        ],
        columns=4,
    )


def field(demo: Demo) -> None:
    """From the wrapped phase of two echoes to a field and its noise."""
    noise = demo.volume("out", "fmap", "desc-noise_fieldmap")
    demo.draw(
        "field",
        [
            ("φ, first echo", demo.volume("raw", "anat", "echo-1_part-phase_MEGRE") * demo.brain, np.pi, "rad"),
            ("φ, last echo", demo.volume("raw", "anat", "echo-4_part-phase_MEGRE") * demo.brain, np.pi, "rad"),
            ("f, fitted", demo.total, 1.0, "ppm"),
            ("σ of f", 1000 * noise, 2.0, "ppb"),
        ],
        columns=4,
    )


def background(demo: Demo) -> None:
    """The local field by every method, and the true one."""
    known = (demo.total, demo.brain, demo.voxel_size)
    demo.draw(
        "background",
        [
            ("total field", demo.total, 1.0, "ppm"),
            ("true local field", demo.volume("truth", "fmap", "desc-local_fieldmap") * demo.brain, 0.05, "ppm"),
            ("V-SHARP", vsharp(*known, demo.b0_dir)[0], 0.05, "ppm"),
            ("RESHARP", resharp(*known)[0], 0.05, "ppm"),
            ("LBV", lbv(*known)[0], 0.05, "ppm"),
            ("PDF", pdf(*known, demo.b0_dir)[0], 0.05, "ppm"),
            ("iSMV", ismv(*known)[0], 0.05, "ppm"),
            ("V-SHARP of LBV", vsharp(*lbv(*known), demo.voxel_size, demo.b0_dir)[0], 0.05, "ppm"),
        ],
        columns=4,
    )


def inversions(demo: Demo) -> None:
    """Maps of one local field by several methods."""
    known = (demo.local, demo.known, demo.voxel_size, demo.b0_dir)
    maps = {
        "TKD": tkd(*known),
        "closed-form L2": demo.volume("out", "anat", "desc-l2_Chimap"),
        "iLSQR": ilsqr(*known)[0],
        "RTS": rts(*known, magnitude=demo.magnitude)[0],
        "TV": tv(*known, magnitude=demo.magnitude)[0],
        "NDI": ndi(*known, magnitude=demo.magnitude)[0],
        "MEDI": medi(demo.local, demo.magnitude, *known[1:])[0],
        "QSMnet": demo.volume("out", "anat", "desc-qsmnet_Chimap"),
        "COSMOS, three orientations": demo.volume("out", "anat", "desc-cosmos_Chimap"),
        "truth": demo.volume("truth", "anat", "desc-truth_Chimap") * demo.known,
    }
    demo.draw("inversions", [(title, chi, 0.1, "ppm") for title, chi in maps.items()], columns=5)


def dipole() -> None:
    """A sphere, its field, the dipole kernel, and what three orientations see of k-space."""
    shape, size = (96, 96, 96), (1.0, 1.0, 1.0)
    index = torch.stack(torch.meshgrid(*[torch.arange(n) - n // 2 for n in shape], indexing="ij"))
    sphere = (index.float().norm(dim=0) < 12).float()
    made = forward_field(sphere, size)
    half = torch.fft.fftshift(dipole_kernel(shape, size)[0], dim=0)  # kx = 0, kz from 0 up; even in kz
    kernel = torch.cat([half[:, 1:-1].flip(1), half], dim=1)
    plane = torch.stack([torch.zeros(96, 96), *index[1:, 48].float()], dim=-1)
    turned = [(0.0, float(np.sin(angle)), float(np.cos(angle))) for angle in np.radians((0, 25, -25))]
    seen = sensitivity(plane.double() / plane.norm(dim=-1, keepdim=True).clamp(min=1), turned)
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
    panels = (
        ("a sphere of 1 ppm", sphere[48], 1.0),
        ("its field, ppm", made[48], 0.6),
        ("D(k), zero on the cone", kernel, 0.67),
        ("√mean D², B0 at 0° and ±25°", seen, 0.67),
    )
    for ax, (title, data, most) in zip(axes, panels, strict=True):
        drawn = ax.imshow(data.T, origin="lower", cmap="RdBu_r", vmin=-most, vmax=most)
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
        figure.colorbar(drawn, ax=ax, shrink=0.8)
    axes[2].contour(kernel.T.numpy(), levels=[0], colors="k", linewidths=0.8)
    save(figure, "dipole")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bids", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    HERE.mkdir(exist_ok=True)
    dipole()
    demo = Demo(args.bids, args.out)
    for picture in (stages, field, background, inversions):
        picture(demo)
