"""Metrics against values worked out by hand, or by numpy, scipy and scikit-image along another way."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from qsmflow.core import metrics
from qsmflow.core.separable import gaussian, separable

SHAPE = (26, 24, 28)
NAMES = [metric.name for metric in metrics.METRICS]


@pytest.fixture(scope="module")
def maps() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A smooth truth in ppm, a noisy map with offset and wrong slope, an ellipsoidal mask away from the edges."""
    rng = np.random.default_rng(7)
    truth = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.5) * 0.5
    chi = 0.8 * truth + 0.02 + 0.01 * rng.standard_normal(SHAPE)
    axes = [np.linspace(-1, 1, n) for n in SHAPE]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.45
    return torch.tensor(chi, dtype=torch.float32), torch.tensor(truth, dtype=torch.float32), torch.tensor(mask)


def _in_mask(maps):
    chi, truth, mask = maps
    return chi[mask].double().numpy(), truth[mask].double().numpy()


def _masked(maps):
    chi, truth, mask = maps
    return (chi * mask).double().numpy(), (truth * mask).double().numpy(), mask.numpy()


def test_three_voxels_by_hand():
    chi = torch.tensor([1.0, 2.0, 5.0]).reshape(1, 1, 3)
    truth = torch.tensor([2.0, 2.0, 1.0]).reshape(1, 1, 3)
    mask = torch.ones(1, 1, 3, dtype=torch.bool)
    # differences -1, 0, 4; |x-y|^2 = 17, |y|^2 = 9
    assert metrics.rmse(chi, truth, mask).item() == pytest.approx(math.sqrt(17 / 3))
    assert metrics.nrmse(chi, truth, mask).item() == pytest.approx(100 * math.sqrt(17 / 9))
    # means 8/3, 5/3: x' = (-5, -2, 7)/3, y' = (1, 1, -2)/3, x'-y' = (-6, -3, 9)/3
    assert metrics.nrmse_demeaned(chi, truth, mask).item() == pytest.approx(100 * math.sqrt(126 / 6))
    r = -21 / math.sqrt(78 * 6)
    assert metrics.correlation(chi, truth, mask).item() == pytest.approx(r)
    assert metrics.nrmse_detrended(chi, truth, mask).item() == pytest.approx(100 * math.sqrt(1 / r**2 - 1))
    assert metrics.psnr_truth(chi, truth, mask).item() == pytest.approx(20 * math.log10(2 / math.sqrt(17 / 3)))
    # joint scale 1..5 -> 0..255
    assert metrics.psnr_rescaled(chi, truth, mask).item() == pytest.approx(20 * math.log10(4 / math.sqrt(17 / 3)))


def test_detrended_is_what_a_linear_fit_leaves(maps):
    x, y = _in_mask(maps)
    slope, offset = np.polyfit(y, x, 1)
    rest = (x - offset) / slope - y
    expected = 100 * np.linalg.norm(rest) / np.linalg.norm(y - y.mean())
    assert metrics.nrmse_detrended(*maps).item() == pytest.approx(expected, rel=1e-9)


def test_correlation_and_psnr_agree_with_numpy_and_skimage(maps):
    x, y = _in_mask(maps)
    assert metrics.correlation(*maps).item() == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-9)
    expected = peak_signal_noise_ratio(y, x, data_range=y.max())
    assert metrics.psnr_truth(*maps).item() == pytest.approx(expected, rel=1e-9)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    expected = peak_signal_noise_ratio(y, x, data_range=high - low)
    assert metrics.psnr_rescaled(*maps).item() == pytest.approx(expected, rel=1e-9)


def test_hfen_agrees_with_a_dense_kernel(maps):
    x, y, _ = _masked(maps)
    offsets = np.arange(15) - 7
    r2 = sum(np.meshgrid(offsets**2, offsets**2, offsets**2, indexing="ij"))
    kernel = np.exp(-r2 / (2 * 1.5**2))
    kernel = kernel / kernel.sum() * (r2 / 1.5**4 - 3 / 1.5**2)
    kernel -= kernel.mean()
    lx, ly = (ndimage.convolve(v, kernel, mode="constant") for v in (x, y))
    assert metrics.hfen(*maps).item() == pytest.approx(100 * np.linalg.norm(lx - ly) / np.linalg.norm(ly), rel=1e-9)


def _ssim_index(x, y, size, k1, k2, data_range):
    """SSIM with scipy's own truncated Gaussian; the grid is padded with zeros first, so that nothing is reflected."""

    def mean(values):
        return ndimage.gaussian_filter(np.pad(values, 8), 1.5, truncate=(size // 2) / 1.5)[8:-8, 8:-8, 8:-8]

    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def test_the_reference_itself_agrees_with_skimage(maps):
    """skimage knows one window only, 11^3; there the formula above must be skimage's."""
    x, y, mask = _masked(maps)
    x, y = np.pad(x, 8), np.pad(y, 8)
    _, expected = structural_similarity(
        x, y, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, K1=0.01, K2=0.001, full=True
    )
    np.testing.assert_allclose(_ssim_index(x, y, 11, 0.01, 0.001, 1)[np.pad(mask, 8)], expected[np.pad(mask, 8)])


def test_xsim_agrees_with_the_reference(maps):
    x, y, mask = _masked(maps)
    expected = _ssim_index(x, y, 7, 0.01, 0.001, 1)[mask].mean()
    assert metrics.xsim(*maps).item() == pytest.approx(expected, rel=1e-9)


def test_ssim_agrees_with_the_reference_on_the_joint_scale(maps):
    x, y, mask = _masked(maps)
    low = min(x.min(), y.min())
    x, y = (np.where(mask, v - low, 0) for v in (x, y))
    scale = 255 / max(x.max(), y.max())
    expected = _ssim_index(x * scale, y * scale, 5, 0.01, 0.03, 255)[mask].mean()
    assert metrics.ssim(*maps).item() == pytest.approx(expected, rel=1e-9)


def test_an_outlier_raises_ssim_but_not_xsim(maps):
    """The reason XSIM exists: one bright streak must not make the rest look similar."""
    chi, truth, mask = maps
    hacked = chi.clone()
    hacked[13, 12, 14] = 20.0
    assert metrics.ssim(hacked, truth, mask) > metrics.ssim(chi, truth, mask)
    assert metrics.xsim(hacked, truth, mask) < metrics.xsim(chi, truth, mask)


def test_xsim_holds_where_float32_would_cancel():
    """At 9 ppm the squares carry more rounding in float32 than the constant C2 = 1e-6, up to the grid's edge."""
    truth = torch.full((16, 16, 16), 9.2)
    chi = truth + 1e-3 * torch.sin(torch.arange(16.0))[:, None, None]
    mask = torch.ones_like(truth, dtype=torch.bool)
    expected = _ssim_index(chi.double().numpy(), truth.double().numpy(), 7, 0.01, 0.001, 1).mean()
    assert metrics.xsim(chi, truth, mask).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_equal_maps_score_best(maps, name):
    _, truth, mask = maps
    best = {"ssim": 1, "xsim": 1, "correlation": 1, "psnr_truth": math.inf, "psnr_rescaled": math.inf}
    metric = next(m for m in metrics.METRICS if m.name == name)
    assert metric.function(truth, truth, mask).item() == pytest.approx(best.get(name, 0), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_outside_of_the_mask_has_no_say(maps, name):
    chi, truth, mask = maps
    metric = next(m for m in metrics.METRICS if m.name == name)
    other = chi.masked_fill(~mask, torch.nan)
    assert metric.function(other, truth, mask) == metric.function(chi, truth, mask)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_scores_as_its_members(maps, name):
    chi, truth, mask = maps
    metric = next(m for m in metrics.METRICS if m.name == name)
    batch = torch.stack([chi, 0.5 * chi, chi.flip(0)])[:, None]
    together = metric.function(batch, truth.expand(batch.shape), mask)
    assert together.shape == (3, 1)
    for one, score in zip(batch[:, 0], together[:, 0], strict=True):
        assert score.item() == pytest.approx(metric.function(one, truth, mask).item(), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    scale=st.floats(0.1, 10) | st.floats(-10, -0.1),
    offset=st.floats(-1, 1),
    shape=st.tuples(*[st.integers(2, 6)] * 3),
)
def test_what_each_error_is_blind_to(scale, offset, shape):
    generator = torch.Generator().manual_seed(1)
    truth = torch.randn(shape, generator=generator, dtype=torch.float64)
    chi = truth + 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    mask = torch.ones(shape, dtype=torch.bool)

    def same(metric, a, b):
        return metric(a, truth, mask).item() == pytest.approx(metric(b, truth, mask).item(), rel=1e-6)

    assert same(metrics.nrmse_demeaned, chi, chi + offset)
    assert same(metrics.nrmse_detrended, chi, scale * chi + offset)
    assert metrics.nrmse((1 + scale) * truth, truth, mask).item() == pytest.approx(100 * abs(scale))


def test_undefined_scores_are_nan_or_infinite(maps):
    _, truth, mask = maps
    flat = torch.full_like(truth, 0.1)
    assert metrics.correlation(flat, truth, mask).isnan()
    assert metrics.nrmse_detrended(flat, truth, mask).isnan()
    assert metrics.nrmse(truth, torch.zeros_like(truth), mask).isinf()
    assert metrics.psnr_truth(truth, -torch.ones_like(truth), mask).isnan()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, t, m: (c[1:], t, m), "differ in shape"),
        (lambda c, t, m: (c, t, m[1:]), "differ in shape"),
        (lambda c, t, m: (c, t, m.float()), "expected bool"),
        (lambda c, t, m: (c, t, m & False), "mask is empty"),
        (lambda c, t, m: (c.masked_fill(m, torch.nan), t, m), "map has voxels in the mask that are not finite"),
        (lambda c, t, m: (c, t.masked_fill(m, torch.inf), m), "truth has voxels in the mask that are not finite"),
    ],
)
def test_bad_input_is_refused(maps, change, message):
    with pytest.raises(ValueError, match=message):
        metrics.nrmse(*change(*maps))


def test_region_statistics_agree_with_numpy(maps):
    chi, _, mask = maps
    labels = torch.arange(chi.numel(), dtype=torch.int16).reshape(SHAPE) % 4 * 3
    found = metrics.region_statistics(chi, labels, mask)
    assert list(found) == [3, 6, 9]
    for label, (voxels, mean, sd) in found.items():
        values = chi[(labels == label) & mask].double().numpy()
        assert voxels == len(values)
        assert mean == pytest.approx(values.mean(), rel=1e-9)
        assert sd == pytest.approx(values.std(ddof=1), rel=1e-9)


def test_region_of_one_voxel_has_no_sd():
    labels = torch.zeros(2, 2, 2, dtype=torch.uint8)
    labels[0, 0, 0] = 7
    voxels, mean, sd = metrics.region_statistics(torch.ones(2, 2, 2), labels)[7]
    assert (voxels, mean) == (1, 1.0)
    assert math.isnan(sd)


def test_region_statistics_refuse_real_labels():
    with pytest.raises(ValueError, match="expected integers"):
        metrics.region_statistics(torch.ones(2, 2, 2), torch.ones(2, 2, 2))


def test_dice():
    a = torch.zeros(2, 2, 4, dtype=torch.bool)
    b = a.clone()
    a[..., :2] = True
    b[..., 1:4] = True
    # 8 and 12 voxels, 4 shared
    assert metrics.dice(a, b).item() == pytest.approx(8 / 20)
    assert metrics.dice(a, a).item() == 1
    assert metrics.dice(a, ~a).item() == 0
    assert metrics.dice(a & False, a & False).isnan()
    with pytest.raises(ValueError, match="expected bool"):
        metrics.dice(a, b.int())


def test_separable_filter_works_along_each_axis_and_on_thin_volumes():
    rng = np.random.default_rng(0)
    volume = rng.standard_normal((2, 9, 5))
    taps = [gaussian(5, 1.0), gaussian(7, 2.0), gaussian(3, 0.5)]
    expected = volume
    for axis, kernel in enumerate(taps):
        expected = ndimage.convolve1d(expected, kernel.numpy(), axis=axis, mode="constant")
    np.testing.assert_allclose(separable(torch.tensor(volume), *taps).numpy(), expected, rtol=1e-12, atol=1e-15)
