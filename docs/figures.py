"""Draws the pictures of the documentation: `python docs/figures.py demo/bids demo/out`, after `make demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import torch

from qsmflow.core.dipole import dipole_kernel, forward_field

HERE = Path(__file__).parent / "figures"


def read(path: Path) -> np.ndarray:
    """An image with axes right, front, up; of several volumes the last."""
    data = nib.as_closest_canonical(nib.load(path)).get_fdata()
    return data if data.ndim == 3 else data[..., -1]


def stages(bids: Path, out: Path) -> None:
    """One slice, through the middle of the brain, after every stage of the demo."""
    raw, truth = bids / "sub-01" / "anat", bids / "derivatives" / "truth" / "sub-01" / "anat"
    anat, fmap = out / "sub-01" / "anat", out / "sub-01" / "fmap"
    brain = read(anat / "sub-01_acq-ori1_desc-local_mask.nii.gz") > 0
    level = int(np.argwhere(brain)[:, 2].mean())
    panels = (
        ("magnitude, last echo", raw / "sub-01_acq-ori1_echo-4_part-mag_MEGRE.nii.gz", None, ""),
        ("phase, last echo", raw / "sub-01_acq-ori1_echo-4_part-phase_MEGRE.nii.gz", np.pi, "rad"),
        ("total field", fmap / "sub-01_acq-ori1_desc-total_fieldmap.nii.gz", 1.0, "ppm"),
        ("local field", fmap / "sub-01_acq-ori1_desc-local_fieldmap.nii.gz", 0.05, "ppm"),
        ("χ, closed-form L2", anat / "sub-01_acq-ori1_desc-l2_Chimap.nii.gz", 0.1, "ppm"),
        ("χ, QSMnet", anat / "sub-01_acq-ori1_desc-qsmnet_Chimap.nii.gz", 0.1, "ppm"),
        ("χ, COSMOS of three orientations", anat / "sub-01_acq-ori1_desc-cosmos_Chimap.nii.gz", 0.1, "ppm"),
        ("true χ", truth / "sub-01_acq-ori1_desc-truth_Chimap.nii.gz", 0.1, "ppm"),
    )
    figure, axes = plt.subplots(2, 4, figsize=(9, 6), layout="constrained")
    for ax, (title, path, most, unit) in zip(axes.flat, panels, strict=True):
        data = read(path)
        data = data * brain if "χ" in title else data
        low = -most if most else 0
        drawn = ax.imshow(np.rot90(data[::-1, :, level]), cmap="gray", vmin=low, vmax=most)  # as radiologists look
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
        bar = figure.colorbar(drawn, ax=ax, orientation="horizontal", shrink=0.7, aspect=30)
        bar.set_label(unit, fontsize=7)
        bar.ax.tick_params(labelsize=6)
    figure.savefig(HERE / "stages.png", dpi=100)


def dipole() -> None:
    """A sphere, its field, and the dipole kernel, whose zeros are what an inversion cannot see."""
    shape, size = (96, 96, 96), (1.0, 1.0, 1.0)
    index = torch.stack(torch.meshgrid(*[torch.arange(n) - n // 2 for n in shape], indexing="ij"))
    sphere = (index.float().norm(dim=0) < 12).float()
    field = forward_field(sphere, size)
    half = torch.fft.fftshift(dipole_kernel(shape, size)[0], dim=0)  # kx = 0, kz from 0 up; even in kz
    kernel = torch.cat([half[:, 1:-1].flip(1), half], dim=1)
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
    panels = (
        ("a sphere of 1 ppm", sphere[48], 1.0),
        ("its field, ppm", field[48], 0.6),
        ("D(k), zero on the cone", kernel, 0.67),
    )
    for ax, (title, plane, most) in zip(axes, panels, strict=True):
        drawn = ax.imshow(plane.T, origin="lower", cmap="RdBu_r", vmin=-most, vmax=most)
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
        figure.colorbar(drawn, ax=ax, shrink=0.8)
    axes[2].contour(kernel.T.numpy(), levels=[0], colors="k", linewidths=0.8)
    figure.savefig(HERE / "dipole.png", dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bids", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    HERE.mkdir(exist_ok=True)
    dipole()
    stages(args.bids, args.out)
