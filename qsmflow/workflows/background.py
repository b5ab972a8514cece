"""From the total field to the local field."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import VSharp
from qsmflow.interfaces.background import VSHARP

from .nodes import Budget, Destination, fields_node, keep, stage_node


def init_background_wf(
    *,
    vsharp: VSharp,
    b0_dir: tuple[float, float, float],
    budget: Budget,
    destination: Destination,
    name: str = "background",
) -> Workflow:
    """Remove the background field by V-SHARP.

    Parameters
    ----------
    vsharp
        Settings of V-SHARP.
    b0_dir
        Direction of B0 in voxel axes.

    Inputs
    ------
    total, mask

    Outputs
    -------
    local, mask
    """
    workflow = Workflow(name=name)
    how = {
        "fit": "the local field deconvolved by a fit of sources inside the mask [@ssqsm]",
        "inverse": f"deconvolved with the largest sphere, truncated at {vsharp.threshold:g}",
    }[vsharp.deconvolution]
    workflow.__desc__ = (
        f"The background field was removed by V-SHARP [@sharp; @vsharp] with radii from {vsharp.max_radius:g} to "
        f"{vsharp.min_radius:g} mm, {how}. "
    )
    inputnode = fields_node(["total", "mask"], "inputnode")
    outputnode = fields_node(["local", "mask"], "outputnode")
    removal = stage_node(VSHARP(b0_dir=b0_dir, **vars(vsharp)), "vsharp", budget)
    workflow.connect(
        [
            (inputnode, removal, [("total", "in_file"), ("mask", "mask")]),
            (removal, outputnode, [("out_file", "local"), ("out_mask", "mask")]),
        ]
    )
    keep(workflow, removal, "out_file", "local", destination)
    keep(workflow, removal, "out_mask", "localmask", destination)
    return workflow
