"""The verb `score`: the table, the file, and what is refused."""

import csv
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmflow.cli import main as cli

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


@pytest.fixture(autouse=True)
def only_score(monkeypatch):
    monkeypatch.setattr(cli, "VERBS", ("score",))


def _save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.Nifti1Image(data, affine).to_filename(path)
    return path


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((8, 9, 10)).astype(np.float32) * 0.1
    mask = np.zeros(truth.shape, np.uint8)
    mask[2:6, 2:7, 2:8] = 1
    labels = np.zeros(truth.shape, np.int16)
    labels[2:4], labels[4:6] = 3, 8
    return {
        "map": _save(tmp_path / "map.nii.gz", 1.1 * truth),
        "truth": _save(tmp_path / "truth.nii.gz", truth),
        "mask": _save(tmp_path / "mask.nii.gz", mask),
        "labels": _save(tmp_path / "labels.nii.gz", labels),
        "tsv": tmp_path / "scores.tsv",
    }


def _score(files: dict[str, Path], *extra: str) -> int:
    return cli.main(["score", str(files["map"]), str(files["truth"]), str(files["mask"]), *extra])


def test_numbers_reach_terminal_and_file(files, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert _score(files, "--labels", str(files["labels"]), "--tsv", str(files["tsv"])) == 0
    shown = capsys.readouterr().out
    with files["tsv"].open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert list(rows[0]) == ["map", "truth", "region", "metric", "value", "unit", "convention"]
    values = {(row["region"], row["metric"]): row["value"] for row in rows}
    assert len(values) == len(rows)
    # the map is 1.1 times the truth
    assert float(values["mask", "nrmse"]) == pytest.approx(10, rel=1e-5)
    assert float(values["mask", "hfen"]) == pytest.approx(10, rel=1e-5)
    assert float(values["mask", "correlation"]) == pytest.approx(1)
    assert values["3", "voxels"] == values["8", "voxels"] == str(2 * 5 * 6)
    truth = nib.load(files["truth"]).get_fdata()[2:4, 2:7, 2:8]
    assert float(values["3", "mean_truth"]) == pytest.approx(truth.mean(), rel=1e-5)
    assert float(values["3", "sd_map"]) == pytest.approx(1.1 * truth.std(ddof=1), rel=1e-5)
    for name in ("nrmse", "xsim", "psnr_rescaled", "sd_truth"):
        assert name in shown


def test_a_pipe_gets_the_lines_of_the_file(files, capsys):
    assert _score(files, "--labels", str(files["labels"]), "--tsv", str(files["tsv"])) == 0
    assert capsys.readouterr().out == files["tsv"].read_text()


def test_the_metrics_of_the_challenge_need_labels(files, capsys):
    assert _score(files, "--challenge") == 2
    assert "--challenge: needs the labels" in capsys.readouterr().err
    assert _score(files, "--challenge", "--labels", str(files["labels"]), "--tsv", str(files["tsv"])) == 0
    with files["tsv"].open() as file:
        values = {row["metric"]: row["value"] for row in csv.DictReader(file, delimiter="\t")}
    assert float(values["NRMSE"]) == pytest.approx(10, rel=1e-5)
    assert float(values["dNRMSE_tissue"]) == pytest.approx(0, abs=1e-3)
    assert values["dNRMSE_blood"] == "n/a" and "CalcStreak" not in values


def test_scaled_integers_are_read_as_real_values(files, tmp_path):
    data = nib.load(files["map"]).get_fdata()
    image = nib.Nifti1Image(data, AFFINE)
    image.set_data_dtype(np.int16)
    image.to_filename(tmp_path / "scaled.nii.gz")
    assert _score(files | {"map": tmp_path / "scaled.nii.gz"}, "--tsv", str(files["tsv"])) == 0
    with files["tsv"].open() as file:
        rows = {row["metric"]: row["value"] for row in csv.DictReader(file, delimiter="\t")}
    assert float(rows["nrmse"]) == pytest.approx(10, abs=0.1)


def test_undefined_scores_are_written_as_not_available(files, tmp_path):
    flat = _save(tmp_path / "flat.nii.gz", np.zeros((8, 9, 10), np.float32))
    assert _score(files | {"map": flat}, "--tsv", str(files["tsv"])) == 0
    with files["tsv"].open() as file:
        rows = {row["metric"]: row["value"] for row in csv.DictReader(file, delimiter="\t")}
    assert rows["correlation"] == "n/a"
    assert float(rows["nrmse"]) == pytest.approx(100)


def _moved(data, affine):
    affine = affine.copy()
    affine[0, 3] += 0.5
    return data, affine


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("map", lambda d, a: (d[1:], a), "shape (7, 9, 10) is not that of"),
        ("map", _moved, "affine lays the grid up to 0.5 mm away"),
        ("mask", _moved, "affine lays the grid up to 0.5 mm away"),
        ("labels", lambda d, a: (d[..., 1:], a), "shape (8, 9, 9) is not that of"),
        ("truth", lambda d, a: (d[..., None], a), "has 4 dimensions, expected 3"),
        ("mask", lambda d, a: (d * 0, a), "mask is empty"),
        ("mask", lambda d, a: (d * 0.5, a), "value 0.5 is no label"),
        ("labels", lambda d, a: (d + 0.25, a), "value 0.25 is no label"),
        ("labels", lambda d, a: (d * 0, a), "no label lies in the mask"),
        ("map", lambda d, a: (np.where(d > 0, np.nan, d), a), "voxels in the mask are NaN or Inf"),
        ("truth", lambda d, a: (np.full_like(d, np.inf), a), "120 voxels in the mask are NaN or Inf"),
    ],
)
def test_bad_input_is_refused_in_one_line(files, tmp_path, capsys, name, change, message):
    image = nib.load(files[name])
    data = np.asanyarray(image.dataobj)
    bad = _save(tmp_path / "bad.nii.gz", *change(data, image.affine))
    now = files | {name: bad}
    assert _score(now, "--labels", str(now["labels"]), "--tsv", str(now["tsv"])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("qsmflow: error: ")
    # a truth of another grid is noticed at the first file that is compared with it
    assert str(bad) in error
    assert message in error
    assert not files["tsv"].exists()


def test_nan_outside_of_the_mask_is_no_fault(files, tmp_path):
    data = nib.load(files["map"]).get_fdata()
    data[0] = np.nan
    assert _score(files | {"map": _save(tmp_path / "nan.nii.gz", data)}) == 0


@pytest.mark.parametrize("content", [None, b"", b"not an image", "cut"])
def test_unreadable_files_are_refused(files, tmp_path, capsys, content):
    bad = tmp_path / "bad.nii.gz"
    if content == "cut":
        bad.write_bytes(files["truth"].read_bytes()[:500])
    elif content is not None:
        bad.write_bytes(content)
    assert _score(files | {"truth": bad}) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(bad) in error


def test_table_without_a_folder_is_refused_before_anything_is_read(files, tmp_path, capsys):
    missing = tmp_path / "none" / "scores.tsv"
    assert _score(files | {"map": tmp_path / "absent.nii.gz"}, "--tsv", str(missing)) == 2
    assert f"{missing}: --tsv" in capsys.readouterr().err


def test_table_that_cannot_be_written_is_refused(files, tmp_path, capsys):
    assert _score(files, "--tsv", str(tmp_path)) == 2
    assert "cannot be written" in capsys.readouterr().err
