"""From magnitude and phase to the total field."""

from __future__ import annotations

from nipype.pipeline.engine import Workflow

from qsmflow.config import Field as FieldSettings
from qsmflow.config import Unwrap as UnwrapSettings
from qsmflow.interfaces.field import FieldMap
from qsmflow.interfaces.unwrap import Unwrap
from qsmflow.reports.stated import in_brackets, stated

from .nodes import Budget, Destination, fields_node, keep, stage_node

_METHODS = {
    "romeo": "ROMEO [@romeo] as implemented in warpkit [@warpkit]",
    "best_path": "the best-path method [@bestpath] as implemented in scikit-image [@skimage]",
    "segue": "merging regions of similar phase after SEGUE [@segue]",
    "laplacian": "the Laplacian method [@laplacian]",
}

_ECHOES = {
    "template": "The first echo was unwrapped by {}, and the later ones after it in time. ",
    "individual": "Each echo was unwrapped by {}. ",
}

_RAMPS = {
    "auto": "Where echoes of opposite readout differed by a linear phase, it was removed [@bipolar]. ",
    "yes": "The linear phase between echoes of opposite readout was removed [@bipolar]. ",
    "no": "",
}

_FITS = {
    "weighted": "The echoes were combined by a least-squares fit weighted by the squared magnitude. ",
    "nonlinear": "The field was fitted to the complex signal of the echoes [@nonlinearfit]{}. ",
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
    total, noise
    """
    workflow = Workflow(name=name)
    workflow.__desc__ = _methods_text(unwrap, field, len(te))
    inputnode = fields_node(["phase", "magnitude", "mask"], "inputnode")
    outputnode = fields_node(["total", "noise"], "outputnode")
    unwrapped = stage_node(Unwrap(te=list(te), **vars(unwrap)), "unwrap", budget)
    intercept = len(te) > 1 and not unwrap.remove_offset
    fit = stage_node(FieldMap(te=list(te), b0=b0, intercept=intercept, **vars(field)), "field", budget)
    workflow.connect(
        [
            (inputnode, unwrapped, [("phase", "in_file"), ("magnitude", "magnitude"), ("mask", "mask")]),
            (inputnode, fit, [("magnitude", "magnitude"), ("mask", "mask")]),
            (unwrapped, fit, [("out_file", "in_file")]),
            (fit, outputnode, [("out_file", "total"), ("out_noise", "noise")]),
        ]
    )
    acquired = {"EchoTime": list(te), "MagneticFieldStrength": b0}
    keep(workflow, fit, "out_file", "total", destination, acquired)
    keep(workflow, fit, "out_noise", "noise", destination, acquired)
    return workflow


def _methods_text(unwrap: UnwrapSettings, field: FieldSettings, echoes: int) -> str:
    """What is done to a series of so many echoes, in the order in which it is done."""
    method = _METHODS[unwrap.method]
    if echoes == 1:
        return f"The phase was unwrapped by {method}. "
    ramp = _RAMPS[unwrap.bipolar] if echoes > 2 else ""
    offset = "The receiver phase offset was removed by MCPC-3D-S [@mcpc3ds]. " if unwrap.remove_offset else ""
    how = "individual" if unwrap.method == "laplacian" else unwrap.echoes
    solver = in_brackets(stated("field", vars(field), without=("method",))) if field.method == "nonlinear" else ""
    return ramp + offset + _ECHOES[how].format(method) + _FITS[field.method].format(solver)
