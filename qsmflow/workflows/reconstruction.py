"""From raw data, or images of the coils, to magnitude and phase."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nipype.pipeline.engine import Workflow

from qsmflow.bids.rawdata import read_raw_header
from qsmflow.bids.series import Series
from qsmflow.config import Config
from qsmflow.interfaces.kspace import GRAPPA, CoilCombine, Espirit
from qsmflow.reports.stated import in_brackets, stated

from .nodes import Budget, fields_node, stage_node

_COMBINED = {
    "espirit": "with sensitivities estimated by ESPIRiT [@espirit; @roemer]",
    "adaptive": "adaptively, by the local covariance of the coils [@walsh]",
    "offsets": "by MCPC-3D-S, which estimates the coils' phase offsets from two echoes [@mcpc3ds]",
}
#: Settings of the combination that say nothing of one method, or that its sentence tells.
_OF_OTHERS = {
    "espirit": ("method", "block", "smoothing"),
    "adaptive": ("method", "smoothing"),
    "offsets": ("method", "block"),
}


def init_reconstruction_wf(
    *, series: Series, settings: Config, budget: Budget, name: str = "reconstruction"
) -> Workflow:
    """Fill undersampled k-space and combine the coils, all echoes alike.

    Parameters
    ----------
    series
        With raw data, or images of the coils.
    settings
        Of GRAPPA, ESPIRiT and the combination.

    Outputs
    -------
    magnitude, phase
        Echoes as the fourth axis; rad.
    out_report
        What was measured on the way.
    """
    workflow = Workflow(name=name)
    method = settings.coil_combine.method
    filled = ""
    if series.raw:
        grappa = in_brackets(stated("grappa", vars(settings.grappa)))
        filled = f"Missing samples of the raw k-space [@ismrmrd] were filled by GRAPPA [@grappa]{grappa}. "
    told = [stated("coil_combine", vars(settings.coil_combine), without=_OF_OTHERS[method])]
    if method == "espirit":
        told.append(stated("espirit", vars(settings.espirit)))
    combined_by = in_brackets(", ".join(filter(None, told)))
    workflow.__desc__ = f"{filled}The coils were combined {_COMBINED[method]}{combined_by}. "
    outputnode = fields_node(["magnitude", "phase", "out_report"], "outputnode")
    echoes = len(series.echo_times)
    coils = read_raw_header(series.raw[0]).coils if series.raw else len(series.coil_phase) // echoes
    one, every = replace(budget, images=coils), replace(budget, images=coils * echoes)
    mapped = replace(budget, images=coils * settings.espirit.sets) if method == "espirit" else one
    given: dict[str, Any] = {"in_file": [str(path) for path in series.raw]}
    if not series.raw:
        parts = {"magnitude": series.coil_magnitude, "phase": series.coil_phase}
        given = {name: [str(path) for path in paths] for name, paths in parts.items()}
        given |= {"te": list(series.echo_times)} | ({"phase_units": series.phase_units} if series.phase_units else {})
    images = {} if series.raw else given
    combined = stage_node(
        CoilCombine(**{"te": list(series.echo_times), **images}, **vars(settings.coil_combine)),
        "coil_combine",
        every if method == "adaptive" else mapped,
    )
    workflow.connect([(combined, outputnode, [("out_magnitude", "magnitude"), ("out_phase", "phase")])])
    first = combined
    if series.raw:
        first = stage_node(GRAPPA(**given, **vars(settings.grappa)), "grappa", one)
        workflow.connect([(first, combined, [("out_files", "in_file")])])
    workflow.connect([(first, outputnode, [("out_report", "out_report")])])
    if method == "espirit":
        maps = stage_node(Espirit(**given, **vars(settings.espirit)), "espirit", mapped)
        workflow.connect([(maps, combined, [("out_file", "maps")])])
    return workflow
