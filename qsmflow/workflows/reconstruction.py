"""From raw data to magnitude and phase."""

from __future__ import annotations

from dataclasses import replace

from nipype.pipeline.engine import Workflow

from qsmflow.bids.rawdata import read_raw_header
from qsmflow.bids.series import Series
from qsmflow.config import Config
from qsmflow.interfaces.kspace import GRAPPA, CoilCombine, Espirit

from .nodes import Budget, fields_node, stage_node

_COMBINED = {
    "espirit": "with sensitivities estimated by ESPIRiT [@espirit; @roemer]",
    "adaptive": "adaptively, by the local covariance of the coils [@walsh]",
    "offsets": "by MCPC-3D-S, which estimates the coils' phase offsets from two echoes [@mcpc3ds]",
}


def init_reconstruction_wf(
    *, series: Series, settings: Config, budget: Budget, name: str = "reconstruction"
) -> Workflow:
    """Fill undersampled k-space and combine the coils, all echoes alike.

    Parameters
    ----------
    series
        With raw data.
    settings
        Of GRAPPA, ESPIRiT and the combination.

    Outputs
    -------
    magnitude, phase
        Echoes as the fourth axis; rad.
    """
    workflow = Workflow(name=name)
    method = settings.coil_combine.method
    workflow.__desc__ = (
        "Raw data [@ismrmrd] were reconstructed: missing samples of k-space by GRAPPA [@grappa], and the coils were "
        f"combined {_COMBINED[method]}. "
    )
    outputnode = fields_node(["magnitude", "phase"], "outputnode")
    files = [str(path) for path in series.raw]
    coils = read_raw_header(series.raw[0]).coils
    one = replace(budget, images=coils)
    every = replace(budget, images=coils * len(series.echo_times)) if method == "adaptive" else one
    grappa = stage_node(GRAPPA(in_file=files, **vars(settings.grappa)), "grappa", one)
    combined = stage_node(
        CoilCombine(te=list(series.echo_times), **vars(settings.coil_combine)), "coil_combine", every
    )
    workflow.connect(
        [
            (grappa, combined, [("out_files", "in_file")]),
            (combined, outputnode, [("out_magnitude", "magnitude"), ("out_phase", "phase")]),
        ]
    )
    if method == "espirit":
        maps = stage_node(Espirit(in_file=files, **vars(settings.espirit)), "espirit", one)
        workflow.connect([(maps, combined, [("out_file", "maps")])])
    return workflow
