"""The table of the README: what several orientations buy, on a simulated head whose truth is known.

    qsmflow simulate DATA --orientations 5 ...
    qsmflow run DATA OUT participant
    python benchmarks/cosmos_table.py DATA OUT

prints the errors of the registration, of COSMOS from true local fields with true and with estimated transforms, and of
the whole pipeline from wrapped phase, as Markdown.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from qsmflow.bids.discovery import discover
from qsmflow.bids.naming import derivative_path
from qsmflow.bids.series import Head
from qsmflow.config import INVERSIONS
from qsmflow.core.geometry import b0_direction, rotation_angle, turn_to_reference
from qsmflow.core.inversion import cosmos, cosmos_kspace
from qsmflow.core.metrics import dice, nrmse, nrmse_demeaned
from qsmflow.core.registration import resample
from qsmflow.interfaces.transforms import read_itk
from qsmflow.interfaces.volume import Volume, load


@dataclass(frozen=True)
class Study:
    """One head, its truth and what a run made of it."""

    head: Head
    truth: Path
    out: Path

    def true(self, index: int, output: str) -> Volume:
        """A true map of orientation `index`."""
        return load(derivative_path(self.truth, self.head.series[index].entities, output))

    def found(self, index: int, output: str) -> Volume:
        """A map of orientation `index` that the run computed."""
        return load(derivative_path(self.out, self.head.series[index].entities, output))

    def transform(self, root: Path, index: int) -> np.ndarray:
        """From world points of the reference to those of orientation `index`."""
        entity = self.head.orientation_entity
        label, reference = (self.head.series[i].entities[entity] for i in (index, 0))
        more = {"from": label, "to": reference, "mode": "image"}
        return read_itk(derivative_path(root, self.head.entities, "xfm", **more))


def registration_rows(study: Study) -> list[str]:
    """Errors of the rotations and of the brain masks."""
    rows = ["| orientation | turned by | rotation error | brain mask Dice |", "|---|---|---|---|"]
    for i, series in enumerate(study.head.series):
        overlap = float(dice(study.found(i, "brain").mask, study.true(i, "brain").mask))
        if i == 0:
            rows.append(f"| {series.name} | 0 (reference) | | {overlap:.3f} |")
            continue
        true, found = study.transform(study.truth, i), study.transform(study.out, i)
        off = rotation_angle(found @ np.linalg.inv(true))
        rows.append(f"| {series.name} | {rotation_angle(true):.2f}° | {off:.3f}° | {overlap:.3f} |")
    return rows


def cosmos_errors(study: Study, transforms: list[np.ndarray]) -> tuple[float, float]:
    """NRMSE of COSMOS, closed form and least squares, from true local fields brought together by `transforms`."""
    reference = study.true(0, "truth")
    fields, masks, directions = [], [], []
    for i, transform in enumerate(transforms):
        local, mask = study.true(i, "local"), study.true(i, "brain").mask
        where = (transform, reference.affine, reference.data.shape)
        fields.append(resample(local.data * mask, local.affine, *where))
        masks.append(resample(mask, local.affine, *where))
        directions.append(turn_to_reference(b0_direction(local.affine), local.affine, transform, reference.affine))
    stack, inside = torch.stack(fields), torch.stack(masks)
    common = inside.all(0)
    closed = cosmos_kspace(stack, common, reference.voxel_size, directions)
    solved, _ = cosmos(stack, inside.float(), reference.voxel_size, directions)
    return (
        float(nrmse_demeaned(closed, reference.data, common)),
        float(nrmse_demeaned(solved, reference.data, common)),
    )


def map_rows(study: Study) -> list[str]:
    """Errors of the maps of a run against the truth, each in its own mask, and for the reference all in one."""
    rows = ["| map | orientation | mask | NRMSE | NRMSE, demeaned |", "|---|---|---|---|---|"]

    def row(name: str, index: int, mask_name: str, chi: torch.Tensor, mask: torch.Tensor) -> None:
        truth = study.true(index, "truth").data
        errors = [f"{float(metric(chi, truth, mask)):.1f}" for metric in (nrmse, nrmse_demeaned)]
        rows.append(f"| {name} | {study.head.series[index].name} | {mask_name} | {' | '.join(errors)} |")

    label = study.head.series[0].entities[study.head.orientation_entity]
    common = load(derivative_path(study.out, study.head.entities, "localmask", space=label)).mask
    run = [name for name in INVERSIONS if derivative_path(study.out, study.head.series[0].entities, name).exists()]
    for output in run:
        for i in range(len(study.head.series)):
            row(output, i, "own", study.found(i, output).data, study.found(i, "localmask").mask)
        row(output, 0, "COSMOS", study.found(0, output).data, common)
    for output in ("cosmoskspace", "cosmos"):
        row(
            output, 0, "COSMOS", load(derivative_path(study.out, study.head.entities, output, space=label)).data, common
        )
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="dataset of qsmflow simulate")
    parser.add_argument("out", type=Path, help="output of qsmflow run")
    args = parser.parse_args()
    for head in discover(args.data).heads:
        study = Study(head, args.data / "derivatives" / "truth", args.out)
        print(f"\n### {head.name}\n")
        print("\n".join(registration_rows(study)))
        count = range(1, len(head.series))
        print("\n| COSMOS from true local fields | closed form | least squares |\n|---|---|---|")
        for name, root in (("true transforms", study.truth), ("estimated transforms", study.out)):
            errors = cosmos_errors(study, [np.eye(4)] + [study.transform(root, i) for i in count])
            print(f"| {name} | {errors[0]:.1f} | {errors[1]:.1f} |")
        print("\n" + "\n".join(map_rows(study)))


if __name__ == "__main__":
    main()
