"""From the local field of one orientation to susceptibility."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow import config
from qsmflow.interfaces.inversion import L2, TKD

from .nodes import Budget, Destination, fields_node, keep, stage_node

#: Inversions by name: interface and methods sentence.
INVERSIONS = {
    "tkd": (TKD, "truncated k-space division [@tkd]"),
    "l2": (L2, "closed-form L2-regularised inversion [@l2]"),
}


def init_inversion_wf(
    *,
    methods: tuple[str, ...],
    settings: config.Config,
    b0_dir: tuple[float, float, float],
    budget: Budget,
    destination: Destination,
    name: str = "inversion",
) -> Workflow:
    """Invert the local field by each of `methods`.

    Parameters
    ----------
    methods
        Names in `INVERSIONS`; the settings of each stand in `settings` under the same name.
    b0_dir
        Direction of B0 in voxel axes.

    Inputs
    ------
    local, mask
    """
    workflow = Workflow(name=name)
    inputnode = fields_node(["local", "mask"], "inputnode")
    for method in methods:
        interface, _ = INVERSIONS[method]
        node = stage_node(interface(b0_dir=b0_dir, **vars(getattr(settings, method))), method, budget)
        workflow.connect([(inputnode, node, [("local", "in_file"), ("mask", "mask")])])
        keep(workflow, node, "out_file", method, destination)
    names = [INVERSIONS[method][1] for method in methods]
    workflow.__desc__ = f"Susceptibility was computed by {' and by '.join(names)}. "
    return workflow
