from __future__ import annotations

import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from qsmflow.reports.figures import _MARGIN, WIDTH, Canvas, _ticks, edge_overlay, mosaic, side_by_side, three_planes
from qsmflow.reports.scales import chi_scale, field_scale, magnitude_scale, phase_scale, symmetric_limit
from qsmflow.reports.volume import PLANES, Cuts, Volume, choose_cuts, coordinate, cut, cut_size, load_volume

SHAPE = (24, 30, 20)


def marked(path: Path, codes: str, zooms: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> Path:
    """A file in the voxel order `codes` whose only bright block lies at the right, front and top of the head."""
    data = np.zeros(SHAPE, np.float32)
    data[18:21, 23:26, 14:17] = 1.0
    image = nib.Nifti1Image(data, np.diag([*zooms, 1.0]))
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    nib.save(image.as_reoriented(turn), path)
    return path


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "ASL"])
def test_marker_lands_on_its_side_whatever_the_voxel_order(tmp_path: Path, codes: str) -> None:
    volume = load_volume(marked(tmp_path / "marked.nii.gz", codes))
    assert volume.data.shape == SHAPE
    cuts = choose_cuts(np.ones(SHAPE, bool), volume.voxel_size)
    places = {"axial": 15, "coronal": 24, "sagittal": 19}
    # row counts from the top: the marker is in the upper half of every plane and right of the middle
    for plane, index in places.items():
        image = cut(volume, cuts, plane, index, pixel=1.0)
        row, column = np.unravel_index(np.argmax(image), image.shape)
        assert row < image.shape[0] / 2, plane
        assert column > image.shape[1] / 2, plane


def test_anisotropic_voxels_keep_their_proportions(tmp_path: Path) -> None:
    volume = load_volume(marked(tmp_path / "marked.nii.gz", "RAS", (1.0, 2.0, 3.0)))
    cuts = choose_cuts(np.ones(SHAPE, bool), volume.voxel_size)
    assert cut(volume, cuts, "axial", 15, pixel=1.0).shape == (60, 24)
    assert cut(volume, cuts, "coronal", 24, pixel=1.0).shape == (60, 24)
    assert cut(volume, cuts, "sagittal", 19, pixel=1.0).shape == (60, 60)


@settings(deadline=None)
@example((2, 2, 2), 0.5, 2.0)  # thinner than half a pixel
@given(
    st.tuples(st.integers(2, 60), st.integers(2, 60), st.integers(2, 60)),
    st.floats(0.3, 3.0),
    st.floats(0.2, 2.0),
)
def test_the_size_of_a_cut_is_known_beforehand(shape: tuple[int, int, int], side: float, pixel: float) -> None:
    volume = Volume(np.zeros(shape, np.float32), (side, side, side), np.eye(4))
    cuts = Cuts(low=(0, 0, 0), high=shape, planes={})
    for plane in ("axial", "coronal", "sagittal"):
        assert cut(volume, cuts, plane, 0, pixel).shape == cut_size(volume, cuts, plane, pixel)


def test_coordinates_come_from_the_affine() -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-24, -30, -20]
    volume = Volume(np.ones(SHAPE, np.float32), (2.0, 2.0, 2.0), affine)
    cuts = choose_cuts(volume.mask, volume.voxel_size)
    assert coordinate(volume, cuts, "axial", 15) == pytest.approx(10.0)
    assert coordinate(volume, cuts, "sagittal", 0) == pytest.approx(-24.0)


def test_box_follows_the_region() -> None:
    region = np.zeros((60, 60, 60), bool)
    region[20:40, 10:50, 30:35] = True
    cuts = choose_cuts(region, (1.0, 1.0, 1.0))
    assert cuts.low == (15, 5, 25) and cuts.high == (45, 55, 40)
    assert all(30 <= index < 35 for index in cuts.planes["axial"])
    assert len(cuts.planes["axial"]) == len(set(cuts.planes["axial"]))


def test_pictures_hold_the_slices() -> None:
    rng = np.random.default_rng(0)
    volume = Volume(rng.normal(0, 0.05, SHAPE).astype(np.float32), (2.0, 2.0, 2.0), np.eye(4))
    mask = Volume(np.zeros(SHAPE, np.float32), (2.0, 2.0, 2.0), np.eye(4))
    mask.data[4:-4, 4:-4, 4:-4] = 1
    cuts = choose_cuts(mask.mask, volume.voxel_size)
    plain = pixels(mosaic(volume, cuts, chi_scale()))
    lined = pixels(mosaic(volume, cuts, chi_scale(), contours={"Brain mask": mask}))
    coloured = pixels(mosaic(volume, cuts, field_scale(0.1), mask=mask.mask))
    assert plain.std() > 20
    assert grey(plain) and not grey(lined) and not grey(coloured)
    both = pixels(side_by_side({"TKD": volume, "L2": volume}, cuts, chi_scale(), mask=mask.mask))
    assert both.std() > 20


def test_the_bar_of_wrapped_phase_counts_in_pi_and_a_low_one_has_few_numbers() -> None:
    assert _ticks(phase_scale(), 8) == {step * np.pi / 2: words for step, words in enumerate(HALF_TURNS, start=-2)}
    assert 2 <= len(_ticks(chi_scale(), 3)) <= 4 < len(_ticks(chi_scale(), 8))


#: From -π in steps of π/2.
HALF_TURNS = ("−π", "−π/2", "0", "π/2", "π")


@pytest.mark.parametrize("shape", [(60, 60, 3), (60, 60, 60)])
def test_words_stand_beside_the_slices(shape: tuple[int, int, int]) -> None:
    """Slices all white stay so, for the rims of words upon them would be black."""
    volume = Volume(np.ones(shape, np.float32), (2.0, 2.0, 2.0), np.eye(4))
    cuts = Cuts((0, 0, 0), shape, dict.fromkeys(PLANES, (1, 2)))
    for png, canvas in (
        (mosaic(volume, cuts, chi_scale(0.1)), three_planes(volume, cuts)),
        (
            side_by_side({"TKD": volume, "L2": volume}, cuts, chi_scale(0.1)),
            Canvas(volume, cuts, [[(plane, at) for plane in PLANES for at in (1, 2)]] * 2, named=True),
        ),
    ):
        shown = pixels(png)[_MARGIN:, _MARGIN : _MARGIN + WIDTH].min(axis=-1)
        for panel in (panel for line in canvas.panels for panel in line):
            rows, columns = (
                slice(panel.row, panel.row + panel.height),
                slice(panel.column, panel.column + panel.width - 1),
            )
            assert shown[rows, columns].min() > 250
            below = shown[panel.row + panel.height : panel.label + 8, columns]
            assert below.max() > 200 and panel.label >= panel.row + panel.height + 8


def test_outside_of_the_mask_is_dark() -> None:
    volume = Volume(np.full(SHAPE, 0.1, np.float32), (2.0, 2.0, 2.0), np.eye(4))
    cuts = choose_cuts(volume.mask, volume.voxel_size)
    inside = np.zeros(SHAPE, bool)
    inside[:12] = True
    bright = [np.mean(pixels(mosaic(volume, cuts, chi_scale(), mask=m)) > 250) for m in (inside, volume.mask)]
    assert 0.3 * bright[1] < bright[0] < 0.75 * bright[1]


def test_edges_of_the_reference_follow_the_reference() -> None:
    ball = np.hypot(
        np.hypot(*np.meshgrid(np.arange(24) - 12, np.arange(30) - 15, indexing="ij"))[..., None], np.arange(20) - 10
    )
    still = Volume((ball < 8).astype(np.float32), (2.0, 2.0, 2.0), np.eye(4))
    moved = Volume(np.full(SHAPE, 0.5, np.float32), (2.0, 2.0, 2.0), np.eye(4))
    cuts = choose_cuts(moved.mask, still.voxel_size)
    assert not grey(pixels(edge_overlay(still, moved, cuts)))
    assert grey(pixels(edge_overlay(moved, moved, cuts)))


def test_volumes_on_another_grid_are_refused() -> None:
    volume = Volume(np.ones(SHAPE, np.float32), (2.0, 2.0, 2.0), np.eye(4))
    shifted = Volume(volume.data, volume.voxel_size, np.diag([1.0, 1.0, 1.0, 1.0]) + np.eye(4, k=3))
    canvas = three_planes(volume, choose_cuts(volume.mask, volume.voxel_size))
    with pytest.raises(ValueError, match="share shape and affine"):
        canvas.draw([shifted])


def test_magnitude_scale_of_an_empty_volume() -> None:
    assert magnitude_scale(Volume(np.zeros(SHAPE, np.float32), (1.0, 1.0, 1.0), np.eye(4))).high == 1.0


@given(st.floats(1e-6, 1e6))
def test_limits_are_round_and_hold_the_values(top: float) -> None:
    limit = symmetric_limit(np.array([top, -top], np.float32))
    assert top * 0.999 <= limit <= 5 / 3 * top * 1.001
    assert round(limit / 10.0 ** np.floor(np.log10(limit * 1.000001)), 6) in (1.0, 1.5, 2.0, 3.0, 5.0, 7.5)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float)


def grey(picture: np.ndarray) -> bool:
    """Whether no more than a trace of the picture (the rims of the writing) is coloured."""
    return bool(np.mean(np.ptp(picture, axis=-1) > 40) < 1e-3)
