"""The stages from raw data to magnitude and phase, on files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qsmflow.bids.ismrmrd import Protocol, Writer
from qsmflow.cli.main import main
from qsmflow.core.kspace.fourier import to_kspace
from qsmflow.engines import progress
from qsmflow.interfaces.coils import load_coil_images, save_coil_images
from qsmflow.interfaces.kspace import GRAPPA, CoilCombine, Espirit
from qsmflow.interfaces.volume import Volume, load_echoes, save
from tests.core.kspace.heads import coordinates, head, sensitivities

SHAPE, COILS, TE = (32, 36, 30), 6, (0.004, 0.008)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Two echoes of a head, (E, X, Y, Z), and of the coils, (E, C, X, Y, Z)."""
    x, y, z = coordinates(SHAPE)
    field = 250 * (x * y + 0.6 * z)  # rad/s
    echoes = torch.stack([head(SHAPE).abs() * torch.exp(1j * te * field) for te in TE])
    return echoes, sensitivities(SHAPE, COILS) * echoes.unsqueeze(1)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Accelerated 2x1, with correlated noise and a noise scan."""
    path = tmp_path_factory.mktemp("raw") / "raw.h5"
    g = torch.Generator().manual_seed(0)
    mixing = (torch.eye(COILS) + 0.3 * torch.randn(COILS, COILS, generator=g)).to(torch.complex64)

    def noise(*shape: int) -> torch.Tensor:
        white = 2e-3 * torch.view_as_complex(torch.randn((COILS, *shape, 2), generator=g))
        return torch.einsum("cd,d...->c...", mixing, white)

    _, coils = images()
    lines = [(y, z) for y in range(36) for z in range(30) if y % 2 == 0 or (abs(y - 18) < 9 and abs(z - 15) < 9)]
    with Writer(path, Protocol(AFFINE, SHAPE, TE, 3.0, (2, 1))) as writer:
        writer.noise(noise(4000).numpy())
        for echo in range(2):
            writer.echo(echo, (to_kspace(coils[echo]) + noise(*SHAPE)).numpy(), lines)
    return path


def check(magnitude: str, phase: str, tolerance: float) -> None:
    """The phase between the echoes is the head's, and the magnitude is where the head is."""
    echoes, _ = images()
    inside = echoes[0].abs() > 0
    found = load_echoes(phase).data
    error = torch.exp(1j * (found[1] - found[0])) * (echoes[1] * echoes[0].conj()).conj()
    assert float(error.angle()[inside].abs().mean()) < tolerance
    bright = load_echoes(magnitude).data[0]
    assert float(bright[inside].mean()) > 10 * float(bright[~inside].mean())


def test_raw_data_to_magnitude_and_phase(raw: Path, tmp_path: Path) -> None:
    filled = GRAPPA(in_file=[str(raw)]).run(cwd=str(tmp_path)).outputs
    assert filled.out_report["Measured"]["NoisePrewhitened"]
    assert 0.5 < filled.out_report["Measured"]["SharesAcquired"][0] < 0.75
    assert "Filled" not in filled.out_report["Measured"]
    maps = Espirit(in_file=[str(raw)]).run(cwd=str(tmp_path)).outputs
    assert min(maps.out_report["Measured"]["CalibrationSamples"]) >= 17
    done = CoilCombine(in_file=filled.out_files, maps=maps.out_file).run(cwd=str(tmp_path)).outputs
    check(done.out_magnitude, done.out_phase, 0.03)
    np.testing.assert_allclose(load_echoes(done.out_phase).affine, AFFINE, atol=1e-4)
    corner = load_coil_images(filled.out_files[0]).data[:, :3].flatten(1)  # no head there
    covariance = corner @ corner.mH / corner.shape[1]
    ripple = covariance - torch.diag(covariance.diagonal())
    assert ripple.abs().max() < 0.5 * covariance.diagonal().real.min(), "the coils' noise is correlated"


def test_two_sets_keep_what_wraps_around(tmp_path: Path) -> None:
    _, coils = images()
    folded = coils[0][:, :, :18] + coils[0][:, :, 18:]  # a field of view of half the head
    file = save_coil_images(Volume(folded, AFFINE), tmp_path / "coils.nii")
    lost = []
    for sets in (1, 2):
        maps = Espirit(in_file=[file], sets=sets, crop=0.0, soft=False, iterations=30).run(cwd=str(tmp_path)).outputs
        done = CoilCombine(in_file=[file], maps=maps.out_file).run(cwd=str(tmp_path)).outputs
        assert done.out_report["Measured"].get("MapSets", 1) == sets
        rss = torch.linalg.vector_norm(folded, dim=0)
        lost.append(float((load_echoes(done.out_magnitude).data[0] - rss).norm() / rss.norm()))
    assert lost[1] < 0.3 * lost[0] and lost[1] < 0.03


def test_where_nothing_is_missing_it_is_said(tmp_path: Path) -> None:
    _, coils = images()
    path = tmp_path / "full.h5"
    with Writer(path, Protocol(AFFINE, SHAPE, TE[:1], 3.0, (1, 1))) as writer:
        writer.echo(0, to_kspace(coils[0]).numpy(), [(y, z) for y in range(36) for z in range(30)])
    done = GRAPPA(in_file=[str(path)]).run(cwd=str(tmp_path)).outputs
    assert done.out_report["Measured"]["SharesAcquired"] == [1.0]
    assert "nothing" in done.out_report["Measured"]["Filled"]


@pytest.mark.parametrize("method", ["espirit", "adaptive", "offsets"])
def test_coil_images_alone(method: str, tmp_path: Path) -> None:
    _, coils = images()
    files: dict[str, list[str]] = {"magnitude": [], "phase": []}
    for echo in range(2):
        for coil in range(COILS):
            for name, part in (("magnitude", coils[echo, coil].abs()), ("phase", coils[echo, coil].angle())):
                files[name].append(save(Volume(part, AFFINE), tmp_path / f"{name}_{echo}_{coil}.nii"))
    words = [f"--{name}" for name in files]
    arguments = [w for name, word in zip(files, words, strict=True) for w in (word, *files[name])]
    if method == "espirit":
        assert main(["stage", "espirit", *arguments, "--te", *map(str, TE), "--out_dir", str(tmp_path / "maps")]) == 0
        arguments += ["--maps", str(tmp_path / "maps" / "maps.nii")]
    told = ["--te", *map(str, TE), "--method", method, "--rss", "--out_dir", str(tmp_path / "out")]
    assert main(["stage", "coil_combine", *arguments, *told]) == 0
    check(str(tmp_path / "out" / "magnitude.nii"), str(tmp_path / "out" / "phase.nii"), 0.03)
    rss = torch.linalg.vector_norm(coils, dim=1)
    torch.testing.assert_close(load_echoes(tmp_path / "out" / "magnitude.nii").data, rss)


def test_coil_images_come_back(tmp_path: Path) -> None:
    data = torch.view_as_complex(torch.randn(2, 3, 4, 5, 6, 2))
    path = save_coil_images(Volume(data, AFFINE), tmp_path / "maps.nii")
    torch.testing.assert_close(load_coil_images(path).data, data)


def test_grappa_says_how_far_it_is(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(progress, "leave", lambda folder, line: lines.append(line))
    GRAPPA(in_file=[str(raw)]).run(cwd=str(tmp_path))
    assert lines[0].startswith("echo 1: iteration 1, share left ") and lines[-1].startswith("echo 2: ")
    assert lines[-1].endswith(" 0")


def test_what_is_lacking_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coil = save_coil_images(Volume(images()[1][0], AFFINE), tmp_path / "coils.nii")
    flat = save(Volume(torch.ones(4, 4, 4), AFFINE), tmp_path / "flat.nii")
    for words, told in (
        (["coil_combine", "--in_file", coil], "needs maps"),
        (["coil_combine", "--in_file", coil, "--method", "offsets"], "needs two echoes"),
        (["coil_combine", "--in_file", flat, "--method", "adaptive"], "the coils must be the fourth"),
        (["coil_combine", "--method", "adaptive"], "neither in_file nor magnitude"),
        (["grappa", "--in_file", coil], "coils.nii: not raw data"),
        (["coil_combine", "--magnitude", flat, flat, "--phase", flat, "--method", "adaptive"], "2 magnitude and 1"),
        (["espirit"], "neither in_file nor magnitude"),
    ):
        assert main(["stage", *words, "--out_dir", str(tmp_path)]) == 2
        assert told in capsys.readouterr().err
