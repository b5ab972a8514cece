"""Inversions on files: what they share, and what only one takes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import Choice
from qsmflow.errors import UsageError
from qsmflow.interfaces import inversion
from qsmflow.interfaces.inversion import ILSQR, L2, MEDI, TKD
from qsmflow.interfaces.iterative import NDI, NLTGV, NLTV, RTS, TGV, TV, WHTV
from qsmflow.interfaces.volume import Volume, load, save

SHAPE = (16, 16, 16)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A local field, its mask, a magnitude and a region of fluid."""
    chi, mask, csf = torch.zeros(SHAPE), torch.zeros(SHAPE), torch.zeros(SHAPE)
    chi[5:8, 6:10, 7:10], mask[2:14, 2:14, 2:14], csf[9:12, 6:10, 7:10] = 0.1, 1.0, 1.0
    images = {"in_file": forward_field(chi, (1, 1, 1)) * mask, "mask": mask, "magnitude": 1.0 - chi, "csf": csf}
    return {name: save(Volume(data, np.eye(4)), tmp_path / f"{name}.nii") for name, data in images.items()}


def test_the_zero_is_where_it_is_told(files: dict[str, str], tmp_path: Path) -> None:
    inputs = {name: files[name] for name in ("in_file", "mask")}
    plain = TKD(**inputs).run(cwd=str(tmp_path)).outputs
    assert "ReferenceSubtracted" not in plain.out_report["Measured"]
    before = load(plain.out_file).data
    for reference, where in (("brain", "mask"), ("csf", "csf"), ("mask", "csf")):
        regions = {"csf": files["csf"]} if reference == "csf" else {"reference_mask": files["csf"]}
        done = TKD(reference=reference, **inputs, **regions).run(cwd=str(tmp_path)).outputs
        found, region, mask = load(done.out_file).data, load(files[where]).mask, load(files["mask"]).mask
        assert float(found[region].mean()) == pytest.approx(0.0, abs=1e-6)
        told = done.out_report["Measured"]
        assert told["ReferenceVoxels"] == int(region.sum())
        assert torch.allclose(found[mask] + told["ReferenceSubtracted"], before[mask], atol=1e-5)
        assert done.out_report["Parameters"]["reference"] == reference


def test_a_missing_region_is_named(files: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reference csf needs a mask: give it as --csf, or another --reference"):
        L2(in_file=files["in_file"], mask=files["mask"], reference="csf").run(cwd=str(tmp_path))


def test_medi_takes_magnitude_and_fluid(files: dict[str, str], tmp_path: Path) -> None:
    done = MEDI(te=0.005, b0=3.0, max_iterations=3, **files).run(cwd=str(tmp_path)).outputs
    assert float(load(done.out_file).data[load(files["csf"]).mask].mean()) == pytest.approx(0.0, abs=1e-6)
    assert done.out_report["Measured"]["Iterations"] <= 3 and done.out_report["Parameters"]["te"] == 0.005


def test_the_data_choose_the_weight(files: dict[str, str], tmp_path: Path) -> None:
    inputs = {name: files[name] for name in ("in_file", "mask")}
    done = L2(choose_weight="quasioptimality", **inputs).run(cwd=str(tmp_path)).outputs
    told = done.out_report["Measured"]
    assert len(told["TriedWeights"]) == len(told["TriedMisfits"]) == len(told["TriedPenalties"]) == 9
    assert len(told["TriedChanges"]) == 8 and len(told["TriedStructures"]) == 9
    weight = done.out_report["Parameters"]["weight"]
    assert weight == (0.01 if isinstance(told["ChosenWeight"], str) else told["ChosenWeight"])
    (tmp_path / "set").mkdir()
    plain = L2(weight=weight, **inputs).run(cwd=str(tmp_path / "set")).outputs
    assert torch.allclose(load(done.out_file).data, load(plain.out_file).data, atol=1e-4)
    assert "TriedWeights" not in plain.out_report["Measured"]


@pytest.mark.parametrize(
    ("chosen", "used", "warned"),
    [(0.02, 0.02, None), (None, 0.01, "the data chose no weight; 0.01 was kept"), (0.9, 0.9, "0.9 .* at the edge")],
)
def test_a_choice_to_look_at_is_a_warning(
    chosen: float | None,
    used: float,
    warned: str | None,
    files: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    choice = Choice(weights, weights, weights[::-1], (0.3, 0.2, 0.2, 0.3), weights, chosen)
    monkeypatch.setattr(inversion, "choose_weight", lambda solve, guess, method, structure: choice)
    inputs = {name: files[name] for name in ("in_file", "mask")}
    report = L2(choose_weight="lcurve", **inputs).run(cwd=str(tmp_path)).outputs.out_report
    assert report["Parameters"]["weight"] == used
    if warned is None:
        assert "Warnings" not in report
    else:
        assert re.search(warned, report["Warnings"][0])


def test_two_passes_keep_the_mean_of_zero(files: dict[str, str], tmp_path: Path) -> None:
    inputs = {name: files[name] for name in ("in_file", "mask")}
    done = WHTV(two_pass=0.02, te=0.0, **inputs).run(cwd=str(tmp_path)).outputs
    assert done.out_report["Measured"]["StrongVoxels"] > 0
    found, mask = load(done.out_file).data, load(files["mask"]).mask
    assert float(found[mask].mean()) == pytest.approx(0.0, abs=1e-7)
    assert not bool(found[~mask].any()) and float(found.std()) > 0.005


def test_two_passes_of_any_inversion(files: dict[str, str], tmp_path: Path) -> None:
    for interface in (TKD, L2, ILSQR, MEDI):
        inputs = {name: files[name] for name in ("in_file", "mask")}
        if interface is MEDI:
            inputs["magnitude"] = files["magnitude"]
        done = interface(two_pass=0.03, **inputs).run(cwd=str(tmp_path)).outputs
        assert done.out_report["Measured"]["StrongVoxels"] > 0 and done.out_report["Parameters"]["two_pass"] == 0.03
        assert bool(torch.isfinite(load(done.out_file).data).all())


@pytest.mark.parametrize("interface", [RTS, TV, NLTV, TGV, NLTGV, NDI, WHTV])
def test_iterations_stop_and_are_counted(interface: type, files: dict[str, str], tmp_path: Path) -> None:
    known = interface.input_spec().traits()
    inputs = {name: files[name] for name in ("in_file", "mask", "magnitude")} | {"max_iterations": 3}
    if "te" in known:
        inputs |= {"te": 0.005, "b0": 7.0}
    done = interface(**inputs).run(cwd=str(tmp_path)).outputs
    report = done.out_report
    assert report["Stage"] == interface.stage and report["Measured"]["Iterations"] == 3
    assert 0 < report["Measured"]["RelativeChange"] < 1
    assert ("te" in report["Parameters"]) == ("te" in known)
    assert Path(done.out_file).name == f"{interface.stage}.nii"


def test_a_nonlinear_inversion_must_be_told_its_echo(files: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="te"):
        NLTV(in_file=files["in_file"], mask=files["mask"]).run()


@pytest.mark.parametrize("which", ["zero field", "one voxel"])
def test_ilsqr_of_nothing_is_nothing(which: str, files: dict[str, str], tmp_path: Path) -> None:
    mask = torch.zeros(SHAPE)
    mask[8, 8, 8] = 1.0
    name = {"zero field": "in_file", "one voxel": "mask"}[which]
    data = {"zero field": torch.zeros(SHAPE), "one voxel": mask}[which]
    given = {name: files[name] for name in ("in_file", "mask")} | {
        name: save(Volume(data, np.eye(4)), tmp_path / "given.nii")
    }
    found = load(ILSQR(**given).run(cwd=str(tmp_path)).outputs.out_file).data
    assert bool(torch.isfinite(found).all()) and (which == "one voxel" or not bool(found.any()))


def test_medi_says_which_data_term_it_took(files: dict[str, str], tmp_path: Path) -> None:
    inputs = {name: files[name] for name in ("in_file", "mask", "magnitude")}
    for scale, term in (({}, "linear"), ({"te": 0.005, "b0": 7.0}, "nonlinear")):
        report = MEDI(max_iterations=2, **inputs, **scale).run(cwd=str(tmp_path)).outputs.out_report
        assert report["Measured"]["DataTerm"] == term
        assert report["Parameters"].get("b0") == scale.get("b0")


@pytest.mark.parametrize("interface", [NLTV, NLTGV, NDI, WHTV, MEDI])
def test_an_echo_time_needs_a_field_strength(interface: type, files: dict[str, str], tmp_path: Path) -> None:
    inputs = {name: files[name] for name in ("in_file", "mask", "magnitude")}
    with pytest.raises(UsageError, match=r"^b0: missing beside te 0.005 s; give the field strength"):
        interface(te=0.005, **inputs).run(cwd=str(tmp_path))
