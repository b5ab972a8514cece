"""Graphs are built as the input and the settings say; nothing is executed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from qsmflow.config import (
    BACKGROUNDS,
    INVERSIONS,
    NETWORKS,
    NONLINEAR,
    CoilCombine,
    Config,
    CSFMask,
    QualityMask,
)
from qsmflow.engines.execute import Machine, real_nodes
from qsmflow.workflows.base import methods_sentences
from qsmflow.workflows.inversion import phase_time
from qsmflow.workflows.participant import Request, _datasets, _source_uri, clean, make_plan
from tests.builders import add_derivative, make_bids
from tests.workflows.small import graph


def names(workflow: Any) -> set[str]:
    """Names of the nodes below the head."""
    return {".".join(node.fullname.split(".")[2:]) for node in real_nodes(workflow)}


def source(flat: Any, node: Any, field: str) -> Any:
    """The stage that the input `field` of `node` comes from, past the nodes that hand it on."""
    wires = ((made, wire) for made, _, data in flat.in_edges(node, data=True) for wire in data["connect"])
    made, field = next((made, given) for made, (given, taken) in wires if taken == field)
    return source(flat, made, field) if made.name in ("inputnode", "outputnode") else made


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


@pytest.mark.parametrize("method", BACKGROUNDS)
def test_background_follows_the_settings(tmp_path: Path, method: str) -> None:
    """One stage after the other, and the last one's field and mask are kept."""
    workflow = graph(tmp_path, dataclasses.replace(Config(), background=method))
    steps = [f"series_single.background.{stage}" for stage in BACKGROUNDS[method]]
    found = names(workflow)
    assert sorted(steps) == sorted(n for n in found if "background." in n and "save" not in n)
    nodes = {".".join(node.fullname.split(".")[2:]): node for node in real_nodes(workflow)}
    kept = nodes["series_single.background.save_local"].inputs.sidecar
    assert [stage["Stage"] for stage in kept.get("StagesBefore", [])] == list(BACKGROUNDS[method][:-1])
    text = " ".join(methods_sentences(workflow))
    assert all(f"[@{stage}]" in text or f"@{stage}]" in text for stage in BACKGROUNDS[method])


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
    trained = {name: dataclasses.replace(getattr(settings, name), weights="qsmnet") for name in NETWORKS}
    workflow = graph(tmp_path, dataclasses.replace(settings, **trained))
    told = " ".join(methods_sentences(workflow))
    assert "weight of l2 and rts and" in told and "hundred times that given" in told and "weighted by how well" in told
    nodes = {node.name: node for node in workflow._create_flat_graph().nodes}
    assert [nodes[name].inputs.two_pass for name in INVERSIONS] == [0.1] * len(INVERSIONS)
    assert "Sources stronger than 0.1 ppm" in told
    assert "QSMnet [@qsmnet] (weights qsmnet, a PackedUNet that sees weak-harmonic total-variation inversion" in told
    assert nodes["l2"].inputs.choose_weight == nodes["medi"].inputs.choose_weight == "quasioptimality"
    assert nodes["cosmos"].inputs.orientation_weights == nodes["cosmos_kspace"].inputs.orientation_weights == "residual"


@pytest.mark.parametrize("name", NONLINEAR)
def test_nonlinear_inversions_are_told_the_phase(tmp_path: Path, name: str) -> None:
    flat = graph(tmp_path, dataclasses.replace(Config(), inversion=(name,)))._create_flat_graph()
    node = next(node for node in flat.nodes if node.name == name)
    assert (node.inputs.te, node.inputs.b0) == (pytest.approx(0.005), 3.0)
    wired = {target for _, _, data in flat.in_edges(node, data=True) for _, target in data["connect"]}
    assert wired >= {"in_file", "mask", "magnitude"}


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


def test_supplied_labels_are_kept_with_their_names(tmp_path: Path) -> None:
    make_bids(tmp_path / "bids")
    add_derivative(tmp_path / "given", {"sub": "01"}, "rois")
    (tmp_path / "given" / "dseg.tsv").write_text("index\tname\n2\tputamen\n")
    flat = graph(tmp_path, supplied={"labels": tmp_path / "given"})._create_flat_graph()
    kept = next(node for node in flat.nodes if node.name == "save_rois")
    assert kept.inputs.out_path.endswith("sub-01_desc-rois_dseg.nii.gz")
    assert kept.inputs.sidecar["Labels"] == {"2": "putamen"}
    assert source(flat, kept, "in_file").inputs.is_labels


def test_cores_of_nuclei_are_the_regions_where_no_others_are_given(tmp_path: Path) -> None:
    make_bids(tmp_path / "bids", orientations=("ori1", "ori2"))
    workflow = graph(tmp_path, Config(inversion=("l2", "tkd")))
    assert "sought in the first susceptibility map" in " ".join(methods_sentences(workflow))
    flat = workflow._create_flat_graph()
    kept = [node for node in flat.nodes if node.name == "save_rois"]
    assert len(kept) == 2 and {node.inputs.sidecar["Labels"]["5"] for node in kept} == {"left globus pallidus, core"}
    for node in kept:
        made = source(flat, node, "in_file")
        assert source(flat, made, "in_file").name == "l2" and source(flat, made, "magnitude").name == "scale_phase"
    assert not [name for name in names(graph(tmp_path, Config(rois="none"))) if "rois" in name]
    for label in ("ori1", "ori2"):
        add_derivative(tmp_path / "given", {"sub": "01", "acq": label}, "rois")
    given = names(graph(tmp_path, supplied={"labels": tmp_path / "given"}))
    assert not [name for name in given if "cores" in name]


def test_an_atlas_is_brought_into_every_orientation(tmp_path: Path) -> None:
    make_bids(tmp_path / "bids", orientations=("ori1", "ori2"))
    labels = add_derivative(tmp_path / "atlas", {"sub": "x"}, "rois")
    labels.with_name("sub-x_desc-rois_dseg.tsv").write_text("index\tname\n2\tputamen\n")
    template = add_derivative(tmp_path / "atlas", {"sub": "x"}, "brain")
    workflow = graph(tmp_path, supplied={"atlas": labels, "template": template})
    assert "The template of an atlas was registered" in " ".join(methods_sentences(workflow))
    flat = workflow._create_flat_graph()
    kept = [node for node in flat.nodes if node.name == "save_rois"]
    assert len(kept) == 2
    for node in kept:
        made = source(flat, node, "in_file")
        assert node.inputs.sidecar["Labels"] == {"2": "putamen"}
        assert made.inputs.atlas == str(labels) and made.inputs.template == str(template)
        assert source(flat, made, "in_file").name == "scale_phase" and source(flat, made, "in_mask").name


def test_sources_are_named_by_their_dataset_and_files_by_their_folder(tmp_path: Path) -> None:
    for folder in ("bids", "given", "atlas"):
        (tmp_path / folder).mkdir()
    labels = tmp_path / "atlas" / "dseg.nii.gz"
    labels.touch()
    derivatives = {"mask": tmp_path / "given", "atlas": labels}
    folders = {name: tmp_path / name for name in ("out_dir", "work_dir")}
    rest = {"settings": Config(), "machine": Machine(1, 1.0), "derivatives": derivatives}
    request = Request(tmp_path / "bids", **folders, **rest)
    uri = _source_uri(_datasets(request))
    assert uri(tmp_path / "bids" / "sub-01" / "a.nii") == "bids:raw:sub-01/a.nii"
    assert uri(tmp_path / "given" / "m.nii") == "bids:mask:m.nii" and uri(labels) == "bids:atlas:dseg.nii.gz"


def test_the_fluid_is_found_where_it_is_the_zero_and_not_supplied(tmp_path: Path) -> None:
    make_bids(tmp_path / "bids", orientations=("ori1", "ori2"))
    workflow = graph(tmp_path, Config(inversion=("tkd", "medi"), reference="csf", csf_mask=CSFMask(threshold=4.0)))
    told = " ".join(methods_sentences(workflow))
    assert told.index("below 4 1/s [@medi0]") < told.index("zero in the cerebrospinal fluid") < told.index("by MEDI+0")
    flat = workflow._create_flat_graph()
    maps = [node for node in flat.nodes if node.name in ("tkd", "medi", "cosmos", "cosmos_kspace")]
    assert len(maps) == 6
    for node in maps:
        found = source(flat, node, "csf")
        assert found.fullname.endswith(f"series_{'ori2' if 'ori2' in node.fullname else 'ori1'}.relaxation.csf_mask")
        assert source(flat, found, "in_file").name == "r2star"
        assert source(flat, found, "mask") is source(flat, source(flat, found, "in_file"), "mask")
    kept = next(node for node in flat.nodes if node.name == "save_csf").inputs
    assert kept.out_path.endswith("_desc-csf_mask.nii.gz") and "computed" in kept.sidecar["Description"]


@pytest.mark.parametrize("echoes", [1, 3])
def test_nobody_looks_for_fluid_unasked(tmp_path: Path, echoes: int) -> None:
    make_bids(tmp_path / "bids", echoes=(0.005, 0.010, 0.015)[:echoes])
    assert not [name for name in names(graph(tmp_path)) if "csf" in name]
    add_derivative(tmp_path / "given", {"sub": "01"}, "csf")
    found = names(graph(tmp_path, Config(reference="csf"), supplied={"csf": tmp_path / "given"}))
    assert "series_single.supplied_csf" in found and "series_single.relaxation.csf_mask" not in found


@pytest.mark.parametrize("what", ["mask", "total", "local"])
def test_supplied_intermediates_start_the_graph(tmp_path: Path, what: str) -> None:
    make_bids(tmp_path / "bids")
    given = tmp_path / "given"
    add_derivative(given, {"sub": "01"}, {"mask": "brain"}.get(what, what))
    found = names(graph(tmp_path, supplied={what: given}))
    gone = {"mask": "masking.brain_mask", "total": "field.unwrap", "local": "background.vsharp"}[what]
    assert f"series_single.{gone}" not in found
    assert "series_single.inversion.l2" in found
    assert ("series_single.background.vsharp" in found) == (what != "local")


@pytest.mark.parametrize("echoes", [1, 2, 3])
def test_several_echoes_give_r2star(tmp_path: Path, echoes: int) -> None:
    found = names(graph(tmp_path, echoes=(0.005, 0.010, 0.015)[:echoes]))
    assert ("series_single.relaxation.r2star" in found) == (echoes > 1)


def test_only_what_takes_every_echo_is_given_time_for_each(tmp_path: Path) -> None:
    settings = Config(inversion=("tkd", "medi", "qsmnet"), denoise="network", reference="csf", rois="cores")

    def minutes(*echoes: float) -> dict[str, float]:
        made = graph(tmp_path / str(len(echoes)), settings, echoes=echoes, orientations=["a", "b"])
        return {node.fullname: node.need.minutes for node in real_nodes(made)}

    two, four = minutes(0.005, 0.010), minutes(0.005, 0.010, 0.015, 0.020)
    grown = {name.split(".")[-1] for name in two if four[name] > two[name]}
    assert grown == {"scale_phase", "quality_mask", "unwrap", "field", "r2star"}


def test_every_node_has_its_resources(tmp_path: Path) -> None:
    for node in real_nodes(graph(tmp_path, orientations=["ori1", "ori2"])):
        assert node.mem_gb > 0 and 1 <= node.n_procs <= 2


@pytest.mark.parametrize("method", ["espirit", "adaptive"])
def test_uncombined_coils_are_combined(tmp_path: Path, method: str) -> None:
    for coil in ("1", "2"):
        make_bids(tmp_path / "bids", more={"rec": "uncombined", "coil": coil})
    workflow = graph(tmp_path, dataclasses.replace(Config(), coil_combine=CoilCombine(method=method)))
    found = names(workflow)
    assert "series_single.reconstruction.coil_combine" in found
    assert "series_single.reconstruction.grappa" not in found
    assert ("series_single.reconstruction.espirit" in found) == (method == "espirit")
    text = " ".join(methods_sentences(workflow))
    assert "coils were combined" in text and "GRAPPA" not in text


@pytest.mark.parametrize(
    ("te", "time"), [((0.005, 0.012, 0.019), 0.007), ((0.02,), 0.02), ((0.004, 0.012, 0.017), 0.005)]
)
def test_the_phase_time_is_a_plain_number(te: tuple[float, ...], time: float) -> None:
    assert phase_time(te) == time


@pytest.mark.parametrize(("setting", "denoise"), [("none", False), ("network", True)])
def test_networks_invert_what_the_denoiser_leaves(tmp_path: Path, setting: str, denoise: bool) -> None:
    workflow = graph(tmp_path, Config(inversion=("tkd", "qsmnet"), denoise=setting))
    flat = workflow._create_flat_graph()
    nodes = {node.name: node for node in flat.nodes}
    assert ("denoiser" in nodes) == denoise == ("Noise was taken out" in " ".join(methods_sentences(workflow)))
    before = "denoiser" if denoise else "vsharp"
    assert [source(flat, nodes[name], "in_file").name for name in ("tkd", "qsmnet")] == [before, before]
    assert source(flat, nodes["denoiser" if denoise else "qsmnet"], "noise").name == "field"
    # the small image is not what a network works on
    assert nodes["qsmnet"].inputs.memory == nodes["qsmnet"].mem_gb > 2.0


@pytest.mark.parametrize(("given", "threshold"), [(False, 0.3), (False, 0.0), (True, 0.3), (True, 0.0)])
def test_the_mask_says_how_it_came_about(tmp_path: Path, given: bool, threshold: float) -> None:
    make_bids(tmp_path / "bids")
    add_derivative(tmp_path / "given", {"sub": "01"}, "brain")
    supplied = {"mask": tmp_path / "given"} if given else {}
    workflow = graph(tmp_path, Config(quality_mask=QualityMask(threshold=threshold)), supplied)
    told = workflow.get_node("sub_01.series_single.masking.save_brain").inputs.sidecar
    assert ("as supplied" in told["Description"]) == given
    assert ("after phase-quality" in told["Description"]) == ("StagesBefore" in told) == (threshold > 0)
    if threshold:
        assert (told["StagesBefore"][0]["Method"] == "supplied by the user") == given


def test_the_limits_of_networks_stand_beside_their_maps(tmp_path: Path) -> None:
    workflow = graph(tmp_path, Config(inversion=("siqsm", "l2"), denoise="network"))
    nodes = {node.name: node for node in real_nodes(workflow)}
    assert "spheres and cylinders" in nodes["save_siqsm"].inputs.sidecar["Limits"]["siqsm"]
    assert nodes["save_denoised"].inputs.sidecar["Limits"] and "Limits" not in nodes["save_l2"].inputs.sidecar


def test_the_magnitude_tells_how_it_was_acquired_where_the_field_is_supplied(tmp_path: Path) -> None:
    for kind in ("local", "brain"):
        add_derivative(tmp_path / "given", {"sub": "01"}, kind)
    supplied = dict.fromkeys(("local", "mask"), tmp_path / "given")
    scan = {"FlipAngle": 15, "PatientName": "someone"}
    workflow = graph(tmp_path, supplied=supplied, parts=("mag",), echoes=(0.02,), sidecar=scan)
    told = workflow.get_node("sub_01.series_single.save_magnitude").inputs.sidecar
    assert (told["EchoTime"], told["MagneticFieldStrength"], told["FlipAngle"]) == ([0.02], 3.0, 15)
    assert "PatientName" not in told


def test_cleaning_leaves_the_work_on_other_subjects(tmp_path: Path) -> None:
    root = make_bids(tmp_path / "bids", subjects=("01", "02"))
    request = Request(root, tmp_path / "out", tmp_path / "work", Config(), Machine(1, 1.0), participants=("01",))
    made = [
        tmp_path / "work" / name / "node"
        for name in ("qsmflow/sub_01", "slurm/jobs/qsmflow.sub_01.x", "qsmflow/sub_02", "slurm/jobs/qsmflow.sub_02.x")
    ]
    for folder in made:
        folder.mkdir(parents=True)
    clean(request, make_plan(request))
    assert [folder.exists() for folder in made] == [False, False, True, True]
