"""From the total field to the local field."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import VSharp
from qsmflow.interfaces.background import VSHARP

from .nodes import Budget, Destination, fields_node, keep, stage_node


def init_background_wf(
    *, vsharp: VSharp, budget: Budget, destination: Destination, name: str = "background"
) -> Workflow:
    """Remove the background field by V-SHARP.

    Parameters
    ----------
    vsharp
        Settings of V-SHARP.

    Inputs
    ------
    total, mask

    Outputs
    -------
    local, mask
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = (
        f"The background field was removed by V-SHARP [@sharp; @vsharp] with radii from {vsharp.max_radius:g} to "
        f"{vsharp.min_radius:g} mm. "
    )
    inputnode = fields_node(["total", "mask"], "inputnode")
    outputnode = fields_node(["local", "mask"], "outputnode")
    removal = stage_node(VSHARP(**vars(vsharp)), "vsharp", budget)
    workflow.connect(
        [
            (inputnode, removal, [("total", "in_file"), ("mask", "mask")]),
            (removal, outputnode, [("out_file", "local"), ("out_mask", "mask")]),
        ]
    )
    keep(workflow, removal, "out_file", "local", destination)
    keep(workflow, removal, "out_mask", "localmask", destination)
    return workflow
