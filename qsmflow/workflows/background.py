"""From the total field to the local field."""

from __future__ import annotations

from typing import Any

from nipype.pipeline.engine import Workflow

from qsmflow import config
from qsmflow.interfaces.background import ISMV, LBV, PDF, RESHARP, VSHARP
from qsmflow.reports.stated import in_brackets, stated

from .nodes import Budget, Destination, fields_node, keep, stage_node

#: The stages that background removals are made of, by name.
REMOVALS: dict[str, Any] = {"vsharp": VSHARP, "resharp": RESHARP, "lbv": LBV, "pdf": PDF, "ismv": ISMV}


def init_background_wf(
    *,
    method: str,
    settings: config.Config,
    b0_dir: tuple[float, float, float],
    weighted: bool,
    budget: Budget,
    destination: Destination,
    name: str = "background",
) -> Workflow:
    """Remove the background field by `method`.

    Parameters
    ----------
    method
        Name in `config.BACKGROUNDS`; the settings of its stages stand in `settings` under their names.
    b0_dir
        Direction of B0 in voxel axes.
    weighted
        There is a magnitude, and what can be weighted by it is.

    Inputs
    ------
    total, mask, magnitude

    Outputs
    -------
    local, mask
    """
    workflow = Workflow(name=name)
    inputnode = fields_node(["total", "mask", "magnitude"], "inputnode")
    outputnode = fields_node(["local", "mask"], "outputnode")
    stages = config.BACKGROUNDS[method]
    removal, wires = inputnode, [("total", "in_file"), ("mask", "mask")]
    for stage in stages:
        interface = REMOVALS[stage]
        traits = interface.input_spec().traits()
        where = {"b0_dir": b0_dir} if "b0_dir" in traits else {}
        node = stage_node(interface(**where, **vars(getattr(settings, stage))), stage, budget.single)
        before, removal = removal, node
        workflow.connect([(before, removal, wires)])
        if weighted and "magnitude" in traits:
            workflow.connect([(inputnode, removal, [("magnitude", "magnitude")])])
        wires = [("out_file", "in_file"), ("out_mask", "mask")]
    workflow.connect([(removal, outputnode, [("out_file", "local"), ("out_mask", "mask")])])
    sentences = [_sentence(stage, settings, weighted) for stage in stages]
    workflow.__desc__ = f"The background field was removed by {', and what this left by '.join(sentences)}. "
    earlier = [
        {"Stage": stage, "Method": REMOVALS[stage].method, "Parameters": vars(getattr(settings, stage))}
        for stage in stages[:-1]
    ]
    sidecar = {"StagesBefore": earlier} if earlier else {}
    keep(workflow, removal, "out_file", "local", destination, sidecar)
    keep(workflow, removal, "out_mask", "localmask", destination, sidecar)
    return workflow


#: Settings that a sentence tells in words of its own, or that only the other deconvolution knows.
_ELSEWHERE = {
    "vsharp": {
        "fit": ("max_radius", "min_radius", "deconvolution", "threshold"),
        "inverse": ("max_radius", "min_radius", "deconvolution", "threshold", "iterations", "block"),
    },
    "resharp": ("radius", "weight"),
    "lbv": ("peel",),
    "ismv": ("radius",),
}


def _sentence(stage: str, settings: config.Config, weighted: bool) -> str:
    """How a stage removes the background, for the methods text."""
    own = getattr(settings, stage)
    elsewhere = _ELSEWHERE.get(stage, ())
    if isinstance(elsewhere, dict):
        elsewhere = elsewhere[own.deconvolution]
    return _how(stage, settings, weighted) + in_brackets(stated(stage, vars(own), without=elsewhere))


def _how(stage: str, settings: config.Config, weighted: bool) -> str:
    """The method of a stage, its reference and what decides on the result."""
    if stage == "vsharp":
        how = {
            "fit": "the local field deconvolved by a fit of sources inside the mask [@ssqsm]",
            "inverse": f"deconvolved with the largest sphere, truncated at {settings.vsharp.threshold:g}",
        }[settings.vsharp.deconvolution]
        radii = f"radii from {settings.vsharp.max_radius:g} to {settings.vsharp.min_radius:g} mm"
        return f"V-SHARP [@sharp; @vsharp] with {radii}, {how}"
    if stage == "resharp":
        of_sphere = f"a radius of {settings.resharp.radius:g} mm"
        return f"RESHARP [@resharp] with {of_sphere} and a regularisation weight of {settings.resharp.weight:g}"
    if stage == "lbv":
        return f"solving the Laplacian boundary value problem [@lbv] in the mask eroded by {settings.lbv.peel:g} mm"
    if stage == "pdf":
        return f"projection onto dipole fields [@pdf]{', weighted by the magnitude' if weighted else ''}"
    return f"the iterative spherical mean value method [@ismv] with a radius of {settings.ismv.radius:g} mm"
