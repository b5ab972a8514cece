"""Domain-randomised heads: what is drawn is what the scene says, and a seed draws it again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.training import anatomy as module
from qsmflow.training.anatomy import Anatomy, Background, draw_anatomy, load_anatomy, save_anatomy
from qsmflow.training.draws import seeded
from qsmflow.training.heads import draw_scene

WHITE, GREY, VEIN, OUTSIDE = 8, 9, 11, 14


def small_anatomy() -> Anatomy:
    """A ball of white and grey matter with a vein through it."""
    axes = torch.meshgrid(*[torch.arange(2 * n) - n + 0.5 for n in (20, 22, 18)], indexing="ij")
    radius = sum(axis**2 for axis in axes).sqrt()
    labels = torch.full(radius.shape, OUTSIDE, dtype=torch.uint8)
    labels[radius < 30] = GREY
    labels[radius < 22] = WHITE
    labels[(axes[0] ** 2 + axes[1] ** 2).sqrt() < 3] = VEIN
    labels[radius >= 30] = OUTSIDE
    brain = torch.nn.functional.avg_pool3d((labels != OUTSIDE).float()[None], 2)[0] > 0.5
    left = 0.001 * torch.ones(brain.shape)
    return Anatomy(
        labels, brain, (1.0, 1.2, 0.9), (Background((0.0, 0.0, 1.0), left), Background((0.6, 0.0, 0.8), left))
    )


def test_scenes_are_what_they_say() -> None:
    anatomy = small_anatomy()
    strongest = 0.0
    for number in range(12):
        scene = draw_scene(anatomy, seeded("scene", number))
        assert not bool((scene.mask & ~anatomy.brain).any()) and bool(scene.mask.any())
        for volume in (scene.field, scene.clean, scene.chi, scene.noise, scene.magnitude):
            assert bool(torch.isfinite(volume).all()) and not bool(volume[~scene.mask].any())
        expected = forward_field(scene.chi, scene.voxel_size, scene.b0_dir)[scene.mask]
        torch.testing.assert_close(scene.clean[scene.mask], expected, rtol=1e-4, atol=1e-6)
        assert float(scene.chi.abs().max()) <= 1.4 + 1e-6
        assert bool((scene.noise[scene.mask] > 0).all())
        strongest = max(strongest, float(scene.chi.abs().max()))
    assert strongest > 0.3


def test_seed_decides() -> None:
    anatomy = small_anatomy()
    one, same, other = (draw_scene(anatomy, seeded("scene", number)) for number in (1, 1, 2))
    torch.testing.assert_close(one.field, same.field, rtol=0, atol=0)
    assert float((one.field - other.field).abs().max()) > 1e-3


def test_drawn_anatomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A brain of human size, nearly free of background after its removal; kept and loaded as it was."""
    monkeypatch.setattr(module, "_draw_voxel_size", lambda draw: (3.0, 2.5, 3.0))
    anatomy = draw_anatomy(seeded("anatomy"), directions=2, spacing=3.0)
    litres = int(anatomy.brain.sum()) * 3.0 * 2.5 * 3.0 / 1e6
    assert 0.8 < litres < 2.2
    assert anatomy.labels.shape == tuple(2 * n for n in anatomy.brain.shape)
    assert {WHITE, GREY} <= set(anatomy.labels.unique().tolist())
    for background in anatomy.backgrounds:
        assert 1e-5 < float(background.left[anatomy.brain].std()) < 2e-3
        assert abs(torch.tensor(background.b0_dir).norm() - 1.0) < 1e-5

    save_anatomy(anatomy, tmp_path / "kept" / "one.pt")
    loaded = load_anatomy(tmp_path / "kept" / "one.pt")
    assert loaded.voxel_size == anatomy.voxel_size
    torch.testing.assert_close(loaded.labels, anatomy.labels)
    torch.testing.assert_close(loaded.backgrounds[1].left, anatomy.backgrounds[1].left)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["one.pt"]
