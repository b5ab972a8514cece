"""From magnitude and phase to the total field."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import Field as FieldSettings
from qsmflow.config import Unwrap as UnwrapSettings
from qsmflow.interfaces.field import FieldMap
from qsmflow.interfaces.unwrap import Unwrap

from .nodes import Budget, Destination, fields_node, keep, stage_node

_METHODS = {
    "romeo": "The phase was unwrapped by ROMEO [@romeo] as implemented in warpkit [@warpkit]. ",
    "laplacian": "The phase was unwrapped by the Laplacian method [@laplacian]. ",
}


_FITS = {
    "weighted": "The echoes were combined by a least-squares fit weighted by the squared magnitude. ",
    "nonlinear": "The field was fitted to the complex signal of the echoes [@nonlinearfit]. ",
}


def init_field_wf(
    *,
    unwrap: UnwrapSettings,
    field: FieldSettings,
    te: tuple[float, ...],
    b0: float,
    budget: Budget,
    destination: Destination,
    name: str = "field",
) -> Workflow:
    """Unwrap the phase and combine the echoes to the total field in ppm.

    Parameters
    ----------
    unwrap, field
        Settings of the unwrapping and of the fit over the echoes.
    te
        s, one an echo.
    b0
        T.

    Inputs
    ------
    phase, magnitude, mask

    Outputs
    -------
    total
    """
    workflow = Workflow(name=name)
    several = len(te) > 1
    workflow.__desc__ = _METHODS[unwrap.method]
    if several and unwrap.remove_offset:
        workflow.__desc__ = "The receiver phase offset was removed by MCPC-3D-S [@mcpc3ds]. " + workflow.__desc__
    if several:
        workflow.__desc__ += _FITS[field.method]
    inputnode = fields_node(["phase", "magnitude", "mask"], "inputnode")
    outputnode = fields_node(["total"], "outputnode")
    unwrapped = stage_node(Unwrap(te=list(te), **vars(unwrap)), "unwrap", budget)
    intercept = several and not unwrap.remove_offset
    fit = stage_node(FieldMap(te=list(te), b0=b0, intercept=intercept, **vars(field)), "field", budget)
    workflow.connect(
        [
            (inputnode, unwrapped, [("phase", "in_file"), ("magnitude", "magnitude"), ("mask", "mask")]),
            (inputnode, fit, [("magnitude", "magnitude"), ("mask", "mask")]),
            (unwrapped, fit, [("out_file", "in_file")]),
            (fit, outputnode, [("out_file", "total")]),
        ]
    )
    acquired = {"EchoTime": list(te), "MagneticFieldStrength": b0}
    keep(workflow, fit, "out_file", "total", destination, acquired)
    keep(workflow, fit, "out_noise", "noise", destination, acquired)
    return workflow
