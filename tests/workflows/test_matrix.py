"""Every denoising, unwrapping, background removal and inversion runs with every other, and makes a map of the head."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from nipype.pipeline.engine import Workflow

from qsmflow.bids.naming import derivative_path, folder
from qsmflow.cli.main import main
from qsmflow.config import BACKGROUNDS, INVERSIONS, NETWORKS, Config, Unwrap
from qsmflow.core.metrics import nrmse_demeaned
from qsmflow.interfaces.scale_phase import ScalePhase
from qsmflow.interfaces.volume import load
from qsmflow.nets import Denoiser, QSMnet, weights
from qsmflow.workflows.background import init_background_wf
from qsmflow.workflows.denoising import init_denoising_wf
from qsmflow.workflows.field import init_field_wf
from qsmflow.workflows.inversion import init_inversion_wf
from qsmflow.workflows.nodes import Budget, Destination, stage_node
from tests.cards import COARSE, DENOISER

#: s; short, for the Laplacian of a phase that turns far from voxel to voxel tells little.
TE = (0.003, 0.006, 0.009)
B0, UP = 3.0, (0.0, 0.0, 1.0)
UNWRAPPINGS = next(item for item in dataclasses.fields(Unwrap) if item.name == "method").metadata["choices"]
DENOISINGS = next(item for item in dataclasses.fields(Config) if item.name == "denoise").metadata["choices"]
BUDGET = Budget(voxels=200_000, images=len(TE))
BRANCHES = [(u, b, d) for u in UNWRAPPINGS for b in BACKGROUNDS for d in DENOISINGS]


def inversions(unwrapping: str) -> tuple[str, ...]:
    """Those of a branch: all of them after one unwrapping, and the quickest after the others."""
    return INVERSIONS if unwrapping == UNWRAPPINGS[0] else INVERSIONS[:1]


CASES = [(*branch, inversion) for branch in BRANCHES for inversion in inversions(branch[0])]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """All stages: small networks of random weights, of which the denoiser adds little to the field."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("weights")
    weights.save(QSMnet(width=2, kernel=3), COARSE, place / "chi.safetensors")
    denoiser = Denoiser(width=2, levels=2)
    with torch.no_grad():
        denoiser.head.weight *= 0.01
        denoiser.head.bias.zero_()
    weights.save(denoiser, DENOISER, place / "denoiser.safetensors")
    plain = Config()
    told = {
        name: dataclasses.replace(getattr(plain, name), weights=str(place / "chi.safetensors")) for name in NETWORKS
    }
    denoiser = dataclasses.replace(plain.denoiser, weights=str(place / "denoiser.safetensors"))
    return Config(inversion=INVERSIONS, denoiser=denoiser, **told)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One orientation of the procedural head on a coarse grid."""
    root = tmp_path_factory.mktemp("simulated") / "bids"
    words = ["--voxel-size", "4", "--supersample", "1", "--te", *map(str, TE)]
    assert main(["simulate", str(root), *words]) == 0
    return root


@pytest.fixture(scope="module")
def maps(simulated: Path, settings: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A derivative dataset for every branch, of one graph in which each stage runs once on what it is given."""
    root = tmp_path_factory.mktemp("maps")
    workflow = Workflow(name="matrix", base_dir=str(tmp_path_factory.mktemp("work")))
    anat = folder(simulated, {"sub": "01"}, "anat")
    parts = {
        n: [str(p) for p in sorted(anat.glob(f"*_part-{s}_*.nii.gz"))]
        for n, s in (("magnitude", "mag"), ("phase", "phase"))
    }
    start = stage_node(ScalePhase(**parts, phase_units="rad"), "scale_phase", BUDGET)
    mask = str(derivative_path(simulated / "derivatives" / "truth", {"sub": "01"}, "brain"))
    for unwrapping in UNWRAPPINGS:
        field = init_field_wf(
            unwrap=Unwrap(method=unwrapping),
            field=settings.field,
            te=TE,
            b0=B0,
            budget=BUDGET,
            destination=Destination(root / unwrapping, {"sub": "01"}),
            name=f"field_{unwrapping}",
        )
        field.inputs.inputnode.mask = mask
        workflow.connect([(start, field, [("out_phase", "inputnode.phase"), ("out_magnitude", "inputnode.magnitude")])])
        for removal in BACKGROUNDS:
            background = init_background_wf(
                method=removal,
                settings=settings,
                b0_dir=UP,
                weighted=True,
                budget=BUDGET,
                destination=Destination(root / unwrapping / removal, {"sub": "01"}),
                name=f"{removal}_{unwrapping}",
            )
            background.inputs.inputnode.mask = mask
            workflow.connect(
                [
                    (start, background, [("out_combined", "inputnode.magnitude")]),
                    (field, background, [("outputnode.total", "inputnode.total")]),
                ]
            )
            add_inversions(workflow, settings, (start, field, background), root, unwrapping, removal)
    workflow.run(plugin="Linear")
    return root


def add_inversions(
    workflow: Workflow,
    settings: Config,
    before: tuple[Any, Workflow, Workflow],
    root: Path,
    unwrapping: str,
    removal: str,
) -> None:
    """The end of a branch, with and without denoising, after its magnitude, field and background removal."""
    start, field, background = before
    for denoising in DENOISINGS:
        name = f"{unwrapping}_{removal}_{denoising}"
        destination = Destination(root / unwrapping / removal / denoising, {"sub": "01"})
        inversion = init_inversion_wf(
            methods=inversions(unwrapping),
            settings=settings,
            b0_dir=UP,
            te=TE,
            b0=B0,
            budget=BUDGET,
            destination=destination,
            name=f"inversion_{name}",
        )
        taker = inversion
        if denoising == "network":
            taker = init_denoising_wf(
                denoiser=settings.denoiser, b0_dir=UP, budget=BUDGET, destination=destination, name=f"denoising_{name}"
            )
            workflow.connect(
                [
                    (background, taker, [("outputnode.mask", "inputnode.mask")]),
                    (taker, inversion, [("outputnode.local", "inputnode.local")]),
                ]
            )
        workflow.connect(
            [
                (start, inversion, [("out_combined", "inputnode.magnitude")]),
                (background, inversion, [("outputnode.mask", "inputnode.mask")]),
                (background, taker, [("outputnode.local", "inputnode.local")]),
                (field, taker, [("outputnode.noise", "inputnode.noise")]),
            ]
        )


def fault(maps: Path, truth: torch.Tensor, unwrapping: str, removal: str, denoising: str, inversion: str) -> str:
    """What is wrong with the map of a case; empty where nothing is."""
    place = maps / unwrapping / removal
    found = load(derivative_path(place / denoising, {"sub": "01"}, inversion)).data
    inside = load(derivative_path(place, {"sub": "01"}, "localmask")).mask
    if not bool(torch.isfinite(found).all()) or float(found[inside].std()) == 0:
        return "not finite, or nothing"
    error = float(nrmse_demeaned(found, truth, inside))
    return "" if inversion in NETWORKS or error < 100 else f"error {error:.0f} %"  # no one trained those networks


@pytest.mark.long
def test_every_map_is_better_than_none(maps: Path, simulated: Path) -> None:
    truth = load(derivative_path(simulated / "derivatives" / "truth", {"sub": "01"}, "truth")).data
    assert len(CASES) == 2 * len(BACKGROUNDS) * (len(INVERSIONS) + len(UNWRAPPINGS) - 1)
    assert [(case, told) for case in CASES if (told := fault(maps, truth, *case))] == []


@pytest.mark.long
def test_the_command_line_takes_one_of_each(simulated: Path, tmp_path: Path) -> None:
    words = ["--denoise", "none", "--unwrap", "segue", "--background", "pdf", "--inversion", "l2"]
    words += ["--skip-bids-validation", "--plugin", "Linear"]
    assert main(["run", str(simulated), str(tmp_path), "participant", *words]) == 0
    assert float(load(derivative_path(tmp_path, {"sub": "01"}, "l2")).data.std()) > 0
