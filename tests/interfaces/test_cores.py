"""The embedded regions in heads of formulas, and in one of a person."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import l2
from qsmflow.interfaces.cores import TABLE, PlaceCores, read_cores
from qsmflow.phantom.cortex import brain_hull
from qsmflow.phantom.deep import NUCLEI, ventricles
from qsmflow.phantom.shapes import mirrored
from qsmflow.phantom.tissues import read_tissues

AFFINE = np.diag([2.5, 2.5, 2.5, 1.0])
AFFINE[:3, 3] = -85, -115, -80
SHAPE = (68, 80, 68)
#: Labels of the tissue table by what the names of the cores say; the dentate nucleus of the formulas is hollow.
TISSUES = {"caudate": 1, "pallidus": 2, "putamen": 3, "red": 4, "nigra": 6, "thalamus": 7}


def head() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Magnitude, susceptibility and labels of a head 6 % longer and 4 % narrower than the formulas, nodding by 8 mm."""
    x, y, z = (torch.from_numpy(a) for a in np.moveaxis(np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3], -1, 0))
    x, y, z = (a.float() + float(o) for a, o in zip((x, y, z), AFFINE[:3, 3], strict=True))
    side = mirrored((x / 0.96, (y - 5.0) / 1.06, z - 4.0 - 0.08 * y))
    brain, fluid = brain_hull(side) < 0, ventricles(side) < 0
    labels = torch.full(SHAPE, 8)
    for label, shape in NUCLEI:
        labels[shape(side) < 0] = label
    chi = read_tissues("head").column("chi")[labels] * brain
    field = forward_field(chi, (2.5, 2.5, 2.5))
    made = l2(field, brain, (2.5, 2.5, 2.5), (0.0, 0.0, 1.0))
    magnitude = brain * torch.where(fluid, 1.5, 1.0) * (1 + x / 400)
    return magnitude.numpy(), (made * brain).numpy(), (labels * brain).numpy()


def write(folder: Path, magnitude: np.ndarray, chi: np.ndarray, affine: np.ndarray = AFFINE) -> dict[str, str]:
    """The files of a series, by the inputs that take them."""
    images = {"in_file": chi, "magnitude": magnitude, "mask": (magnitude > 0).astype(np.uint8)}
    for name, data in images.items():
        nib.save(nib.Nifti1Image(data, affine), folder / f"{name}.nii")
    return {name: str(folder / f"{name}.nii") for name in images}


def shares(made: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Share of each core that lies in its nucleus, by name."""
    names = {core.index: name for core, name in read_cores(TABLE).items()}
    found = {}
    for index in np.unique(made[made > 0]).tolist():
        for word, label in TISSUES.items():
            if word in names[index]:
                found[names[index]] = float((true[made == index] == label).mean())
    return found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_cores_lie_in_the_nuclei_of_a_head(tmp_path: Path) -> None:
    magnitude, chi, true = head()
    found = PlaceCores(**write(tmp_path, magnitude, chi)).run().outputs
    share = shares(nib.load(found.out_file).get_fdata(), true)
    assert len(share) == 12 and np.mean(list(share.values())) > 0.9 and min(share.values()) > 0.6, share
    assert found.out_report["Measured"]["LeftOut"] == [] and "Warnings" not in found.out_report


def test_a_header_that_takes_front_for_back_is_doubted(tmp_path: Path) -> None:
    magnitude, chi, _ = head()
    found = PlaceCores(**write(tmp_path, magnitude[::-1, ::-1].copy(), chi[::-1, ::-1].copy())).run().outputs
    assert "front for back" in found.out_report["Warnings"][0]
    assert not nib.load(found.out_file).get_fdata().any() and len(found.out_report["Measured"]["LeftOut"]) == 14


def test_a_map_without_nuclei_is_said_to_have_none(tmp_path: Path) -> None:
    magnitude, chi, _ = head()
    noise = 0.02 * np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    for other, reason in ((magnitude, "do not stand out"), ((magnitude > 0).astype(np.float32), "no contrast")):
        found = PlaceCores(**write(tmp_path, other, noise * (chi != 0))).run().outputs
        assert reason in found.out_report["Warnings"][0] and not nib.load(found.out_file).get_fdata().any()


def test_a_table_of_something_else_is_named(tmp_path: Path) -> None:
    table = tmp_path / "cores.tsv"
    table.write_text("index\tname\n1\tputamen\n")
    magnitude, chi, _ = head()
    with pytest.raises(ValueError, match=r"cores\.tsv: not a table of cores"):
        PlaceCores(**write(tmp_path, magnitude, chi), cores=str(table)).run()
