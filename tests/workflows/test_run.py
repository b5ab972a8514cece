"""`qsmflow run` from a simulated dataset to maps, labels and report; resume, faults, bad subjects."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.bids.naming import derivative_path
from qsmflow.bids.validator import errors_of, find_validator
from qsmflow.bids.write import write_json
from qsmflow.cli.main import main
from qsmflow.core.geometry import rotation_angle
from qsmflow.core.metrics import dice, nrmse_demeaned
from qsmflow.interfaces.transforms import read_itk
from qsmflow.interfaces.volume import load
from tests.reports.page import Page

ORIENTATIONS = ("ori1", "ori2", "ori3")
PER_SERIES = ("magnitude", "brain", "total", "noise", "r2star", "local", "localmask", "qsmnet", "l2", "cosmos")


def run(*words: object) -> int:
    """The command line, in this process."""
    return main(["run", *map(str, words), "--skip-bids-validation", "--plugin", "Linear"])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three orientations of the procedural head on a coarse grid."""
    root = tmp_path_factory.mktemp("simulated") / "bids"
    words = ["--orientations", "3", "--voxel-size", "3", "--max-angle", "20", "--seed", "3", "--snr", "60"]
    assert main(["simulate", str(root), *words]) == 0
    return root


def quick(bids: Path) -> list[object]:
    """Words that leave out of a run on a copy of `bids` what takes long where no number counts."""
    return ["--derivatives", f"mask={bids / 'derivatives' / 'truth'}", "--inversion", "l2"]


@pytest.fixture(scope="module")
def done(simulated: Path) -> tuple[Path, Path]:
    """The dataset and the output of a whole run."""
    out = simulated.parent / "out"
    assert run(simulated, out, "participant") == 0
    return simulated, out


def executed(capsys: pytest.CaptureFixture[str]) -> int:
    """Number of nodes that the last run said it executed."""
    line = next(line for line in capsys.readouterr().out.splitlines() if "nodes executed" in line)
    return int(line.split()[1])


def test_everything_is_there(done: tuple[Path, Path]) -> None:
    _, out = done
    for label in ORIENTATIONS:
        for output in PER_SERIES:
            path = derivative_path(out, {"sub": "01", "acq": label}, output)
            assert path.is_file(), path
            told = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
            assert told["Sources"] and told["Description"] and told["Software"]["qsmflow"]
            assert np.isfinite(np.asarray(nib.load(path).dataobj)).all()
    for output in ("cosmos", "cosmoskspace", "localmask"):
        assert derivative_path(out, {"sub": "01"}, output, space="ori1").is_file()
    for name in ("sub-01.html", "logs/CITATION.md", "logs/CITATION.bib", "dataset_description.json"):
        assert (out / name).stat().st_size > 0
    assert not list((out / "logs").glob("crash*")) and not list(out.rglob(".tmp-*"))


def test_sidecars_say_what_was_measured(done: tuple[Path, Path]) -> None:
    _, out = done
    folder = out / "sub-01"
    vsharp = json.loads((folder / "fmap" / "sub-01_acq-ori1_desc-local_fieldmap.json").read_text())
    assert vsharp["Parameters"]["max_radius"] == 12.0 and 0 < vsharp["Measured"]["ShareEroded"] < 1
    brain = json.loads((folder / "anat" / "sub-01_acq-ori1_desc-brain_mask.json").read_text())
    assert "ShareRemoved" in brain["Measured"]
    cosmos = json.loads((folder / "anat" / "sub-01_space-ori1_desc-cosmos_Chimap.json").read_text())
    assert cosmos["Measured"]["Orientations"] == 3 and cosmos["Measured"]["RelativeResidual"] < 0.01


def test_numbers_against_the_truth(done: tuple[Path, Path]) -> None:
    bids, out = done
    truth = bids / "derivatives" / "truth"
    chi = load(derivative_path(truth, {"sub": "01", "acq": "ori1"}, "truth")).data
    errors: dict[str, list[float]] = {"qsmnet": [], "l2": []}
    for label in ORIENTATIONS:
        entities = {"sub": "01", "acq": label}
        brain, true_brain = (load(derivative_path(root, entities, "brain")).mask for root in (out, truth))
        assert float(dice(brain, true_brain)) > 0.9
        own = load(derivative_path(truth, entities, "truth")).data
        mask = load(derivative_path(out, entities, "localmask")).mask
        for output, found in errors.items():
            found.append(float(nrmse_demeaned(load(derivative_path(out, entities, output)).data, own, mask)))
    mask = load(derivative_path(out, {"sub": "01"}, "localmask", space="ori1")).mask
    several = load(derivative_path(out, {"sub": "01"}, "cosmos", space="ori1")).data
    # a network knows heads; several orientations need not, and beat the division that does not either
    assert float(nrmse_demeaned(several, chi, mask)) < min(errors["l2"])
    assert max(errors["qsmnet"]) < 0.9 * min(errors["l2"])


def test_rotations_are_recovered(done: tuple[Path, Path]) -> None:
    bids, out = done
    for label in ORIENTATIONS[1:]:
        more = {"from": label, "to": "ori1", "mode": "image"}
        found, true = (
            read_itk(derivative_path(root, {"sub": "01"}, "xfm", **more))
            for root in (out, bids / "derivatives" / "truth")
        )
        assert rotation_angle(found @ np.linalg.inv(true)) < 0.3


def test_labels_are_cosmos_turned(done: tuple[Path, Path]) -> None:
    _, out = done
    reference = load(derivative_path(out, {"sub": "01"}, "cosmos", space="ori1")).data
    same = load(derivative_path(out, {"sub": "01", "acq": "ori1"}, "cosmos")).data
    assert torch.equal(reference, same)
    turned = load(derivative_path(out, {"sub": "01", "acq": "ori2"}, "cosmos")).data
    assert turned.std() == pytest.approx(float(reference.std()), rel=0.15)


def test_derivatives_are_valid_bids(done: tuple[Path, Path]) -> None:
    program = find_validator()
    if program is None:
        pytest.skip("the BIDS validator is not installed")
    bids, out = done
    for dataset in (bids, bids / "derivatives" / "truth", out):
        assert errors_of(dataset, program) == []


def test_second_run_executes_nothing(done: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bids, out = done
    assert run(bids, out, "participant") == 0
    assert executed(capsys) == 0


def test_lost_derivative_comes_back_alone(done: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bids, out = done
    lost = derivative_path(out, {"sub": "01", "acq": "ori2"}, "l2")
    before = lost.read_bytes()
    lost.unlink()
    assert run(bids, out, "participant") == 0
    assert executed(capsys) == 1
    assert lost.read_bytes() == before


def test_changed_setting_runs_what_depends_on_it(done: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bids, out = done
    for words in (("--l2-weight", "0.02"), ()):  # and as it was
        assert run(bids, out, "participant", *words) == 0
        # three inversions, and the three files they are kept in
        assert executed(capsys) == 6


def test_changed_input_runs_exactly_what_depends_on_it(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(simulated, copy, ignore=shutil.ignore_patterns("derivatives"))
    assert run(copy, out, "participant", *quick(simulated)) == 0
    changed = copy / "sub-01" / "anat" / "sub-01_acq-ori3_echo-1_part-phase_MEGRE.nii.gz"
    image = nib.load(changed)
    data = np.asarray(image.dataobj, dtype=np.float32)
    data[:2] = 0.5
    nib.save(nib.Nifti1Image(data, image.affine), changed)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "work").rglob("result_*.pklz")}
    capsys.readouterr()
    assert run(copy, out, "participant", *quick(simulated)) == 0
    redone = {path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert len(redone) == executed(capsys)
    text = [str(path.relative_to(out / "work")) for path in redone]
    assert any("series_ori3/scale_phase" in path for path in text)
    assert not [path for path in text if "series_ori1" in path or "series_ori2" in path or "registration_ori2" in path]


@pytest.mark.parametrize("given", ["local", "total"])
def test_a_supplied_field_is_a_phase_at_the_echo_spacing_of_the_magnitudes(
    done: tuple[Path, Path], tmp_path: Path, given: str
) -> None:
    bids, supplied = done
    copy, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(
        bids, copy, ignore=shutil.ignore_patterns("derivatives", "*acq-ori2*", "*acq-ori3*", "*part-phase*")
    )
    words = [f"{given}={supplied}", f"mask={supplied}", "--inversion", "nltv", "medi"]
    words += ["--nltv-max-iterations", "2", "--medi-max-iterations", "2"]
    assert run(copy, out, "participant", "--derivatives", *words) == 0
    times = [
        json.loads(path.read_text())["EchoTime"] for path in sorted((copy / "sub-01" / "anat").glob("*part-mag*.json"))
    ]
    for output in ("nltv", "medi"):
        path = derivative_path(out, {"sub": "01", "acq": "ori1"}, output)
        told = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())["Parameters"]
        assert told["te"] == pytest.approx(min(np.diff(times))) and told["b0"] == 3.0
        assert bool(torch.isfinite(load(path).data).all())


def test_batch_with_a_bad_subject_finishes_the_others(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bids, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(simulated, bids, ignore=shutil.ignore_patterns("derivatives", "*acq-ori2*", "*acq-ori3*"))
    shutil.copytree(bids / "sub-01", bids / "sub-02")
    for path in (bids / "sub-02" / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", "sub-02")))
    bad = bids / "sub-02" / "anat" / "sub-02_acq-ori1_echo-2_part-phase_MEGRE.nii.gz"
    bad.write_bytes(bad.read_bytes()[:-2000])
    assert run(bids, out, "participant", "--inversion", "l2") == 1
    said = capsys.readouterr()
    assert "sub-02" in said.err and bad.name in said.err and "sub-01" not in said.err
    assert derivative_path(out, {"sub": "01", "acq": "ori1"}, "l2").is_file()
    assert not (out / "sub-02").exists()


def test_failing_node_is_named_and_the_rest_is_kept(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spheres larger than the head: background removal fails in the graph; what came before is kept and resumed."""
    bids, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(simulated, bids, ignore=shutil.ignore_patterns("derivatives", "*acq-ori2*", "*acq-ori3*"))
    spheres = ("--vsharp-min-radius", "95", "--vsharp-max-radius", "99")
    assert run(bids, out, "participant", *quick(simulated), *spheres) == 1
    said = capsys.readouterr()
    assert "sub-01 failed" in said.err and "vsharp" in said.err and "deeper than min_radius" in said.err
    crashes = list((out / "logs").glob("crash-*.txt"))
    assert len(crashes) == 1 and "ValueError" in crashes[0].read_text()
    entities = {"sub": "01", "acq": "ori1"}
    assert derivative_path(out, entities, "total").is_file() and not derivative_path(out, entities, "l2").exists()
    assert (out / "sub-01.html").is_file()
    assert run(bids, out, "participant", *quick(simulated)) == 0
    assert "0 failed" in capsys.readouterr().out and derivative_path(out, entities, "l2").is_file()


def test_reports_only_and_dry_run(done: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bids, out = done
    report = out / "sub-01.html"
    report.unlink()
    assert run(bids, out, "participant", "--reports-only") == 0
    assert report.is_file()
    nothing = tmp_path / "nothing"
    assert run(bids, nothing, "participant", "--dry-run", "--work-dir", tmp_path / "work") == 0
    assert "cosmos_kspace" in capsys.readouterr().out
    assert not nothing.exists()


def test_a_dry_run_tells_the_limits_of_networks(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(simulated, tmp_path / "out", "participant", "--dry-run", "--preset", "paper-siqsm") == 0
    assert "siqsm: the limits of the weights siqsm: Trained on spheres" in capsys.readouterr().out


def to_compute(capsys: pytest.CaptureFixture[str]) -> tuple[int, set[str]]:
    """What a dry run says is to do: the number of nodes, and the names of those that ask for something."""
    lines = capsys.readouterr().out.splitlines()
    nodes = {line.split()[-8 if line.endswith("gpu") else -7] for line in lines if line.endswith(" min")}
    return int(next(line for line in lines if "nodes to compute" in line).split()[1]), nodes


def test_a_dry_run_tells_what_is_finished(done: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bids, out = done
    assert run(bids, out, "participant", "--dry-run") == 0
    assert to_compute(capsys) == (0, set())
    assert run(bids, out, "participant", "--dry-run", "--l2-weight", "0.02") == 0
    count, nodes = to_compute(capsys)
    assert count == 6 and nodes == {"l2", "save_l2"}  # of three orientations
    lost = derivative_path(out, {"sub": "01", "acq": "ori2"}, "l2")
    kept = lost.read_bytes()
    lost.unlink()
    assert run(bids, out, "participant", "--dry-run") == 0
    assert to_compute(capsys) == (1, {"save_l2"})
    lost.write_bytes(kept)
    assert run(bids, out, "participant") == 0
    assert executed(capsys) == 0


@pytest.fixture(scope="module")
def single(simulated: Path) -> Path:
    """One orientation of it."""
    bids = simulated.parent / "single"
    shutil.copytree(simulated, bids, ignore=shutil.ignore_patterns("derivatives", "*acq-ori2*", "*acq-ori3*"))
    return bids


def test_a_report_mixes_no_maps_of_different_runs(simulated: Path, single: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out", tmp_path / "out" / "sub-01.html"
    table = out / "sub-01" / "sub-01_desc-quality_stats.tsv"
    mask = ["--derivatives", f"mask={simulated / 'derivatives' / 'truth'}", "--rois", "none"]
    assert run(single, out, "participant", *mask, "--inversion", "tkd", "l2") == 0
    assert "TKD, L2" in page.read_text() and "From an earlier run" not in page.read_text()
    # finds all it needs finished, and yet has fewer maps
    assert run(single, out, "participant", *mask, "--inversion", "tkd") == 0
    assert "TKD, L2" not in page.read_text() and "From an earlier run, left out here" in page.read_text()
    other = [*mask, "--inversion", "tkd", "--background", "lbv", "--tkd-threshold", "0.25"]
    assert run(single, out, "participant", *other) == 0
    whole, told = page.read_text(), Page(page.read_text()).text
    assert "sub-01_acq-ori1_desc-l2_Chimap.nii.gz" in told and "\tl2\t" not in table.read_text()
    assert "L2" not in told and "TKD" in told and "\ttkd\t" in table.read_text()
    assert derivative_path(out, {"sub": "01", "acq": "ori1"}, "l2").is_file()
    texts = sorted((out / "logs").glob("run-*_CITATION.md"))
    assert len(texts) == 3 and "L2" in texts[0].read_text() and "L2" not in texts[2].read_text()
    (out / "logs" / "CITATION.md").write_text("of another run")
    assert run(single, out, "participant", "--reports-only") == 0
    assert page.read_text() == whole
    # where a node fails, the results of an earlier run are left behind it, and are none of this one
    spheres = ["--vsharp-min-radius", "95", "--vsharp-max-radius", "99"]
    assert run(single, out, "participant", *mask, "--inversion", "tkd", *spheres) == 1
    assert "sub-01_acq-ori1_desc-tkd_Chimap.nii.gz" in page.read_text() and "\ttkd\t" not in table.read_text()
    assert "Part of this run failed (sub-01)" in (out / "logs" / "CITATION.md").read_text()


def test_a_run_that_was_killed_is_told_and_goes_on(single: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out", tmp_path / "out" / "sub-01.html"
    words = [str(word) for word in (single, out, "participant", *quick(single.parent / "bids"), "--rois", "none")]
    assert run(*words) == 0
    shutil.rmtree(out / "work")
    others = [*words, "--background", "resharp"]
    program = [sys.executable, "-m", "qsmflow", "run", *others, "--skip-bids-validation", "--nprocs", "1"]
    killed = subprocess.Popen(program, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(out.glob("work/**/result_*.pklz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert run(single, out, "participant", "--reports-only") == 0
    told = Page(page.read_text()).text
    assert "not finished" in told and "The run did not end" in told and "what it was to do" in told
    assert "This run did not end" in (out / "logs" / "CITATION.md").read_text()
    assert main(["run", str(single), str(out), "group"]) == 0
    assert "The run did not end" in (out / "group.html").read_text()
    assert run(*others) == 0
    assert "did not end" not in page.read_text() and "RESHARP" in page.read_text()


def test_run_log_replays(done: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bids, out = done
    log = sorted((out / "logs").glob("run-*.toml"))[-1]
    capsys.readouterr()
    assert run(bids, out, "participant", "--config-file", log) == 0
    said = capsys.readouterr()
    assert "\nqsmflow: 0 nodes executed" in f"\n{said.out}" and "was written by" not in said.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda bids: shutil.rmtree(bids / "sub-01"), "sub-"),
        (lambda bids: (bids / "dataset_description.json").unlink(), "dataset_description.json"),
        (lambda bids: [p.unlink() for p in bids.rglob("*part-phase*")], "phase"),
    ],
)
def test_refused_before_compute(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: object, told: str
) -> None:
    bids, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(simulated, bids, ignore=shutil.ignore_patterns("derivatives"))
    change(bids)  # type: ignore[operator]
    assert run(bids, out, "participant") == 2
    error = capsys.readouterr().err
    assert told in error and "error" in error.splitlines()[-1]
    assert not list(out.rglob("*.nii*"))


def test_oblique_anisotropic_is_the_same_head(tmp_path: Path) -> None:
    """A phantom known at any point, sampled straight and on an oblique anisotropic grid, gives one map.

    The field of view is tight. What remains is how the two grids sample the cone where the dipole is zero: a fifth of
    it is interpolation, and it falls to a half with three times the grid.
    """
    from qsmflow.core.dipole import forward_field
    from qsmflow.core.geometry import b0_direction
    from qsmflow.core.inversion import l2
    from qsmflow.core.registration import resample

    def sampled(affine: np.ndarray, shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        index = torch.stack(torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in shape], indexing="ij"), -1)
        points = index @ torch.from_numpy(affine[:3, :3].T).float() + torch.from_numpy(affine[:3, 3]).float()
        chi = torch.zeros(shape)
        for centre, width, value in (((8, 0, 6), 7.0, 0.2), ((-10, 5, -6), 6.0, -0.1), ((0, -12, 4), 8.0, 0.08)):
            offset = points - torch.tensor([float(c) for c in centre])
            chi += value * torch.exp(-(offset.norm(dim=-1) ** 2) / width**2)
        return chi, points.norm(dim=-1) < 30

    straight = np.diag([1.5, 1.5, 1.5, 1.0])
    straight[:3, 3] = -0.75 * 47
    angle = np.radians(30)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    oblique = np.eye(4)
    oblique[:3, :3] = turn @ np.diag([1.0, 1.0, 2.0])
    shape = (72, 72, 36)
    oblique[:3, 3] = -oblique[:3, :3] @ (np.array(shape) - 1) / 2
    maps = {}
    for name, affine, size in (("straight", straight, (48, 48, 48)), ("oblique", oblique, shape)):
        chi, mask = sampled(affine, size)
        voxel_size = np.linalg.norm(affine[:3, :3], axis=0).tolist()
        b0_dir = b0_direction(affine)
        maps[name] = l2(forward_field(chi, voxel_size, b0_dir), mask, voxel_size, b0_dir)
    back = resample(maps["oblique"], oblique, np.eye(4), straight, (48, 48, 48))
    chi, mask = sampled(straight, (48, 48, 48))
    inner = mask & (back != 0)
    error = float((back - maps["straight"])[inner].norm() / chi[inner].norm())
    assert error < 0.1, error


def test_compressed_derivatives_carry_no_time(done: tuple[Path, Path]) -> None:
    _, out = done
    head = derivative_path(out, {"sub": "01", "acq": "ori1"}, "l2").read_bytes()[:10]
    assert head[4:8] == b"\0\0\0\0"
    assert gzip.decompress(derivative_path(out, {"sub": "01", "acq": "ori1"}, "l2").read_bytes())


def test_sloppy_and_presets(simulated: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "filter.json", {"megre": {"acquisition": "ori1"}})
    words = (*quick(simulated), "--sloppy", "--bids-filter-file", tmp_path / "filter.json")
    assert run(simulated, tmp_path / "out", "participant", *words) == 0
    told = json.loads(next((tmp_path / "out").rglob("*desc-local_fieldmap.json")).read_text())
    assert told["Parameters"]["max_radius"] == 6.0
