"""Every recipe of the package learns: small and short, its loss falls and its map beats a map of zeros."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.smooth import gaussian
from qsmflow.nets.weights import load
from qsmflow.training.anatomy import save_anatomy
from qsmflow.training.fit import train
from qsmflow.training.recipe import FOLDER, read_recipe
from tests.training.test_heads import small_anatomy
from tests.training.test_streams import B0, cosmos_output

pytest.importorskip("lightning")


def learnable_output(folder: Path) -> Path:
    """COSMOS labels with structure: smooth susceptibilities, whose field tells of them."""
    cosmos_output(folder)
    for number, path in enumerate(sorted(folder.rglob("*_Chimap.nii.gz"))):
        image = nib.load(path)
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(number))
        chi = gaussian(noise, (1.0, 1.0, 1.0), 1.5)
        mask = torch.from_numpy(image.get_fdata()).float() != 0
        chi = 0.05 * chi / chi.std() * mask
        field = forward_field(chi, (1.0, 1.0, 1.0), B0) * mask
        beside = path.parents[1] / "fmap" / path.name.replace("desc-cosmos_Chimap", "desc-local_fieldmap")
        for where, volume in ((path, chi), (beside, field)):
            nib.save(nib.Nifti1Image(volume.numpy(), image.affine), where)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_recipe_learns(name: str, tmp_path: Path) -> None:
    cosmos = 'kind = "cosmos"' in (FOLDER / f"{name}.toml").read_text()
    recipe = read_recipe(name, learnable_output(tmp_path / "out") if cosmos else None)
    if recipe.data.kind == "heads":
        for part in ("training", "validation"):
            save_anatomy(small_anatomy(), tmp_path / "run" / "material" / f"{part}-{recipe.frame}-0-0000.pt")
    small = {**recipe.parameters, "width": 8, **({"kernel": 3} if "kernel" in recipe.parameters else {})}
    data = replace(recipe.data, patch=16, overlap=0.0)
    if data.kind == "heads":
        data = replace(data, anatomies=1)
    steps = 250  # running statistics of normalisation take that long
    fit = replace(recipe.fit, steps=steps, batch=4, learning_rate=3e-3, ema=0.9, validate_steps=steps)
    short = replace(recipe, start="", parameters=small, data=data, fit=replace(fit, decay_steps=steps))

    _, card = load(train(short, tmp_path / "run", device="cpu"))

    with next((tmp_path / "run" / "log").glob("*/metrics.csv")).open() as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert card.scores["validation NRMSE, %"] < 100
