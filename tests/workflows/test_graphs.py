"""Graphs are built as the input and the settings say; nothing is executed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from qsmflow.bids.discovery import discover
from qsmflow.config import INVERSIONS, Config, QualityMask
from qsmflow.engines.execute import real_nodes
from qsmflow.workflows.base import init_qsmflow_wf, methods_sentences
from tests.builders import add_derivative, make_bids


def graph(tmp_path: Path, settings: Config | None = None, supplied: dict[str, Path] | None = None, **data: Any) -> Any:
    """The graph of a small dataset."""
    bids = tmp_path / "bids"
    if not bids.exists():
        make_bids(bids, **data)
    settings = settings or Config()
    found = discover(bids, derivatives=supplied or {}, orientation_entity=settings.orientation_entity)
    assert not [problem for problem in found.problems if problem.stops]
    return init_qsmflow_wf(
        heads=found.heads,
        settings=settings,
        out_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        source_uri=lambda path: f"bids:raw:{path.name}",
        threads=2,
    )


def names(workflow: Any) -> set[str]:
    """Names of the nodes below the head."""
    return {".".join(node.fullname.split(".")[2:]) for node in real_nodes(workflow)}


def test_one_orientation_has_no_registration_and_no_cosmos(tmp_path: Path) -> None:
    found = names(graph(tmp_path))
    assert {"series_single.scale_phase", "series_single.field.unwrap", "series_single.inversion.l2"} <= found
    assert not [name for name in found if "cosmos" in name or "registration" in name]


@pytest.mark.parametrize("orientations", [2, 5])
def test_orientations(tmp_path: Path, orientations: int) -> None:
    labels = [f"ori{i + 1}" for i in range(orientations)]
    workflow = graph(tmp_path, orientations=labels)
    found = names(workflow)
    for label in labels[1:]:
        assert {f"registration_{label}.register", f"labels_{label}.turn_back"} <= found
    assert "registration_ori1.register" not in found
    assert {"cosmos.cosmos", "cosmos.cosmos_kspace", "labels_ori1.save_cosmos"} <= found
    kept = [node.inputs.out_path for node in real_nodes(workflow) if hasattr(node.inputs, "out_path")]
    assert len(kept) == len(set(kept)), "two nodes write one file"


def test_inversions_and_steps_follow_the_settings(tmp_path: Path) -> None:
    settings = dataclasses.replace(Config(), inversion=("l2",), quality_mask=QualityMask(threshold=0.0))
    found = names(graph(tmp_path, settings))
    assert "series_single.inversion.l2" in found and "series_single.inversion.tkd" not in found
    assert "series_single.masking.quality_mask" not in found


def test_medi_is_told_what_it_needs(tmp_path: Path) -> None:
    workflow = graph(tmp_path, dataclasses.replace(Config(), inversion=("medi",)))
    flat = workflow._create_flat_graph()
    node = next(node for node in flat.nodes if node.name == "medi")
    assert (node.inputs.te, node.inputs.b0) == (pytest.approx(0.005), 3.0)
    wired = {target for _, _, data in flat.in_edges(node, data=True) for _, target in data["connect"]}
    assert wired >= {"in_file", "mask", "magnitude"}
    assert "[@medi" in " ".join(methods_sentences(workflow))


def test_choices_of_all_inversions_reach_their_stages(tmp_path: Path) -> None:
    make_bids(tmp_path / "bids", orientations=("ori1", "ori2"))
    settings = Config(
        inversion=INVERSIONS, choose_weight="quasioptimality", two_pass=0.1, orientation_weights="residual"
    )
    workflow = graph(tmp_path, settings)
    told = " ".join(methods_sentences(workflow))
    assert "weight of l2 and medi was chosen" in told and "weighted by how well" in told
    nodes = {node.name: node for node in workflow._create_flat_graph().nodes}
    assert [nodes[name].inputs.two_pass for name in INVERSIONS] == [0.1] * len(INVERSIONS)
    assert "Strong sources" in told
    assert nodes["l2"].inputs.choose_weight == nodes["medi"].inputs.choose_weight == "quasioptimality"
    assert nodes["cosmos"].inputs.orientation_weights == nodes["cosmos_kspace"].inputs.orientation_weights == "residual"


def test_a_supplied_region_is_the_zero_of_every_map(tmp_path: Path) -> None:
    labels = ("ori1", "ori2")
    make_bids(tmp_path / "bids", orientations=labels)
    for label in labels:
        add_derivative(tmp_path / "given", {"sub": "01", "acq": label}, "csf")
    settings = Config(inversion=("tkd", "l2", "medi"), reference="csf")
    workflow = graph(tmp_path, settings, supplied={"csf": tmp_path / "given"})
    told = " ".join(methods_sentences(workflow))
    assert "zero in the cerebrospinal fluid" in told and "[@medi0]" in told
    flat = workflow._create_flat_graph()
    maps = [node for node in flat.nodes if node.name in ("tkd", "l2", "medi", "cosmos", "cosmos_kspace")]
    assert len(maps) == 8
    for node in maps:
        assert node.inputs.reference == "csf"
        assert "csf" in {target for _, _, data in flat.in_edges(node, data=True) for _, target in data["connect"]}


@pytest.mark.parametrize("what", ["mask", "total", "local"])
def test_supplied_intermediates_start_the_graph(tmp_path: Path, what: str) -> None:
    make_bids(tmp_path / "bids")
    given = tmp_path / "given"
    add_derivative(given, {"sub": "01"}, {"mask": "brain"}.get(what, what))
    found = names(graph(tmp_path, supplied={what: given}))
    gone = {"mask": "masking.brain_mask", "total": "field.unwrap", "local": "background.vsharp"}[what]
    assert f"series_single.{gone}" not in found
    assert "series_single.inversion.tkd" in found
    assert ("series_single.background.vsharp" in found) == (what != "local")


def test_methods_text_names_what_runs(tmp_path: Path) -> None:
    single = " ".join(methods_sentences(graph(tmp_path)))
    assert "[@romeo]" in single and "V-SHARP" in single and "COSMOS" not in single
    laplacian = dataclasses.replace(Config(), unwrap=dataclasses.replace(Config().unwrap, method="laplacian"))
    other = " ".join(methods_sentences(graph(tmp_path, laplacian)))
    assert "[@laplacian]" in other and "unwrapped by ROMEO" not in other


def test_every_node_has_its_resources(tmp_path: Path) -> None:
    for node in real_nodes(graph(tmp_path, orientations=["ori1", "ori2"])):
        assert node.mem_gb > 0 and 1 <= node.n_procs <= 2
