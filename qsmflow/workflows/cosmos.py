"""Susceptibility from all orientations, and back into each."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from qsmflow import config
from qsmflow.engines.resources import Need, ask
from qsmflow.interfaces.cosmos import COSMOS, COSMOSKSpace
from qsmflow.interfaces.derivatives import Supplied
from qsmflow.interfaces.registration import ApplyRigid
from qsmflow.reports.stated import in_brackets, stated

from .inversion import zero_sentence
from .nodes import Budget, Destination, fields_node, keep, stage_node

#: What every orientation brings, as fields ``local_0``, ``local_1`` … of the inputnode.
PER_ORIENTATION = ("local", "mask", "magnitude", "b0_dir")


def init_cosmos_wf(
    *,
    cosmos: config.COSMOS,
    reference: str,
    orientation_weights: str,
    orientations: int,
    budget: Budget,
    destination: Destination,
    supplied: Path | None = None,
    name: str = "cosmos",
) -> Workflow:
    """COSMOS in closed form in k-space, and as masked, magnitude-weighted least squares.

    Parameters
    ----------
    cosmos
        Settings of the least-squares solver.
    reference
        Where the mean becomes zero; see `qsmflow.config.Reference`.
    orientation_weights
        What each orientation counts; see `qsmflow.config.OrientationWeights`.
    orientations
        How many there are.
    destination
        Of the head, with the reference as its space.
    supplied
        A COSMOS map in the frame of the reference, which is taken instead of being computed.

    Inputs
    ------
    local_i, mask_i, magnitude_i, b0_dir_i
        Of orientation i, in the frame of the reference.
    csf, reference_mask
        Of the reference.

    Outputs
    -------
    chi
        By least squares.
    """
    workflow = Workflow(name=name)
    weights = ""
    if orientation_weights == "residual":
        weights = "Each orientation was weighted by how well its field agrees with that of a first map. "
    solver = in_brackets(stated("cosmos", vars(cosmos)))
    workflow.__desc__ = (
        f"COSMOS [@cosmos] was computed from {orientations} orientations, in closed form and by masked, "
        f"magnitude-weighted least squares{solver}. {weights}{zero_sentence(reference)}"
    )
    per_orientation = [f"{f}_{i}" for f in PER_ORIENTATION for i in range(orientations)]
    inputnode = fields_node([*per_orientation, "csf", "reference_mask"], "inputnode")
    outputnode = fields_node(["chi", "out_report"], "outputnode")
    if supplied is not None:
        workflow.__desc__ = "A COSMOS map was supplied. "
        given = stage_node(Supplied(in_file=str(supplied)), "supplied_cosmos", budget.single)
        workflow.add_nodes([inputnode])
        workflow.connect([(given, outputnode, [("out_file", "chi"), ("out_report", "out_report")])])
        keep(workflow, given, "out_file", "cosmos", destination)
        return workflow
    common = {"reference": reference, "orientation_weights": orientation_weights}
    kspace = stage_node(COSMOSKSpace(**common), "cosmos_kspace", budget)
    least_squares = stage_node(COSMOS(**common, **vars(cosmos)), "cosmos", budget)
    taken = {"local": "in_files", "mask": "masks", "magnitude": "magnitudes", "b0_dir": "b0_dirs"}
    for field, target in taken.items():
        merge = ask(Node(Merge(orientations, no_flatten=True), name=f"merge_{field}"), Need())
        workflow.connect([(inputnode, merge, [(f"{field}_{i}", f"in{i + 1}") for i in range(orientations)])])
        workflow.connect([(merge, least_squares, [("out", target)])])
        if field != "magnitude":
            workflow.connect([(merge, kspace, [("out", target)])])
    regions = [(field, field) for field in ("csf", "reference_mask")]
    workflow.connect([(inputnode, kspace, regions), (inputnode, least_squares, regions)])
    workflow.connect([(least_squares, outputnode, [("out_file", "chi"), ("out_report", "out_report")])])
    keep(workflow, kspace, "out_file", "cosmoskspace", destination)
    keep(workflow, least_squares, "out_file", "cosmos", destination)
    keep(workflow, least_squares, "out_mask", "localmask", destination)
    return workflow


def init_labels_wf(*, reference: bool, budget: Budget, destination: Destination, name: str = "labels") -> Workflow:
    """COSMOS turned into one orientation: the label that a network is trained on.

    Parameters
    ----------
    reference
        True for the orientation whose frame COSMOS is in already.
    destination
        Of the orientation.

    Inputs
    ------
    chi
        COSMOS in the frame of the reference.
    out_report
        Of the stage that made it.
    transform, magnitude
        Of the orientation: from the reference's world points to its own, and the grid.
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = ""
    inputnode = fields_node(["chi", "out_report", "transform", "magnitude"], "inputnode")
    if reference:
        keep(workflow, inputnode, "chi", "cosmos", destination)
        return workflow
    turned = stage_node(ApplyRigid(inverse=True), "turn_back", budget.single)
    wires = [("chi", "in_file"), ("transform", "transform"), ("magnitude", "reference")]
    workflow.connect([(inputnode, turned, wires)])
    keep(workflow, turned, "out_file", "cosmos", destination)
    return workflow
