"""One series: from its files to the local field and to susceptibility."""

from __future__ import annotations

from nipype.pipeline.engine import Node, Workflow

from qsmflow.bids.scan import scan_of
from qsmflow.bids.series import ELSEWHERE, MASKS, Series
from qsmflow.config import Config
from qsmflow.interfaces.derivatives import Supplied
from qsmflow.interfaces.scale_phase import CombineMagnitude, ScalePhase

from .atlas import init_atlas_wf, init_cores_wf, region_names
from .background import init_background_wf
from .denoising import init_denoising_wf
from .field import init_field_wf
from .inversion import init_inversion_wf
from .masking import init_masking_wf
from .nodes import Budget, Destination, fields_node, keep, stage_node
from .reconstruction import init_reconstruction_wf
from .relaxation import init_relaxation_wf

#: What may be supplied, by name, in the words of the methods text.
_SUPPLIED = {
    "total": "the total field",
    "local": "the local field",
    "csf": "the mask of the cerebrospinal fluid",
    "reference": "the mask of the region of reference",
    "labels": "labels of regions",
}


def init_series_wf(
    *,
    series: Series,
    settings: Config,
    b0_dir: tuple[float, float, float],
    budget: Budget,
    destination: Destination,
    name: str,
) -> Workflow:
    """Everything that one orientation needs no other for; starts at the last intermediate that is supplied.

    Parameters
    ----------
    series
        Its files, echo times, field strength and supplied intermediates.
    settings
        Of all stages.
    b0_dir
        Direction of B0 in voxel axes.

    Outputs
    -------
    magnitude
        Root sum of squares over the echoes; unset where the series has no magnitude.
    brain
        Brain mask; unset where a local field is supplied without one.
    local, mask
        Local field, ppm, and where it is valid.
    csf, reference_mask
        As supplied, or the first as found by R2* where it is the reference; else unset.
    """
    workflow = Workflow(name=name)
    outputnode = fields_node(["magnitude", "brain", "local", "mask", "csf", "reference_mask"], "outputnode")
    workflow.__desc__ = _supplied_sentence(series)
    start = _magnitude(workflow, series, settings, budget, destination)
    if start is not None:
        workflow.connect([(start, outputnode, [("out_combined", "magnitude")])])
    needs_phase = not series.has_field
    masking = init_masking_wf(
        brain_mask=settings.brain_mask,
        quality_mask=settings.quality_mask,
        te=series.echo_times if needs_phase else (),
        supplied="mask" in series.supplied,
        budget=budget,
        destination=destination,
    )
    if "mask" in series.supplied:
        masking.inputs.inputnode.mask = str(series.supplied["mask"])
    if start is not None:
        wires = [("out_combined", "inputnode.combined")]
        if needs_phase:
            wires += [("out_magnitude", "inputnode.magnitude"), ("out_phase", "inputnode.phase")]
        workflow.connect([(start, masking, wires)])
    workflow.connect([(masking, outputnode, [("outputnode.mask", "brain")])])
    finds_csf = series.has_decay and settings.reference == "csf" and "csf" not in series.supplied
    if series.has_decay:
        relaxation = init_relaxation_wf(
            te=series.echo_times,
            csf_mask=settings.csf_mask if finds_csf else None,
            budget=budget,
            destination=destination,
        )
        workflow.connect(
            [
                (start, relaxation, [("out_magnitude", "inputnode.magnitude")]),
                (masking, relaxation, [("outputnode.mask", "inputnode.mask")]),
            ]
        )

    inversion = init_inversion_wf(
        methods=settings.inversion,
        settings=settings,
        b0_dir=b0_dir,
        te=series.echo_times,
        b0=series.field_strength,
        budget=budget,
        destination=destination,
    )
    if start is not None:
        workflow.connect([(start, inversion, [("out_combined", "inputnode.magnitude")])])
    field: Workflow | None = None
    if "local" in series.supplied:
        local = _supplied(workflow, series, "local", budget, destination)
        source, local_field, mask_source, mask_field = local, "out_file", masking, "outputnode.mask"
    else:
        background = init_background_wf(
            method=settings.background,
            settings=settings,
            b0_dir=b0_dir,
            weighted=start is not None,
            budget=budget,
            destination=destination,
        )
        if start is not None:
            workflow.connect([(start, background, [("out_combined", "inputnode.magnitude")])])
        if "total" in series.supplied:
            total = _supplied(workflow, series, "total", budget, destination)
            workflow.connect([(total, background, [("out_file", "inputnode.total")])])
        else:
            field = init_field_wf(
                unwrap=settings.unwrap,
                field=settings.field,
                te=series.echo_times,
                b0=series.field_strength or 0.0,
                budget=budget,
                destination=destination,
            )
            workflow.connect(
                [
                    (start, field, [("out_phase", "inputnode.phase"), ("out_magnitude", "inputnode.magnitude")]),
                    (masking, field, [("outputnode.mask", "inputnode.mask")]),
                    (field, background, [("outputnode.total", "inputnode.total")]),
                ]
            )
        workflow.connect([(masking, background, [("outputnode.mask", "inputnode.mask")])])
        source, local_field, mask_source, mask_field = background, "outputnode.local", background, "outputnode.mask"
    workflow.connect(
        [
            (mask_source, inversion, [(mask_field, "inputnode.mask")]),
            (source, outputnode, [(local_field, "local")]),
            (mask_source, outputnode, [(mask_field, "mask")]),
        ]
    )
    taker = inversion
    if settings.denoise == "network":
        taker = init_denoising_wf(denoiser=settings.denoiser, b0_dir=b0_dir, budget=budget, destination=destination)
        workflow.connect(
            [
                (mask_source, taker, [(mask_field, "inputnode.mask")]),
                (taker, inversion, [("outputnode.local", "inputnode.local")]),
            ]
        )
    workflow.connect([(source, taker, [(local_field, "inputnode.local")])])
    if field is not None:
        workflow.connect([(field, taker, [("outputnode.noise", "inputnode.noise")])])
    if (finds_csf or "csf" in series.supplied) and "medi" in settings.inversion:
        inversion.__desc__ += "The cerebrospinal fluid was held even by MEDI+0 [@medi0]. "
    if finds_csf:
        workflow.connect(
            [
                (relaxation, inversion, [("outputnode.csf", "inputnode.csf")]),
                (relaxation, outputnode, [("outputnode.csf", "csf")]),
            ]
        )
    if "labels" in series.supplied:
        labels = series.supplied["labels"]
        node = stage_node(Supplied(in_file=str(labels), is_labels=True), "supplied_labels", budget.single)
        keep(workflow, node, "out_file", "rois", destination, sidecar=region_names(labels))
    if "atlas" in series.supplied and start is not None:
        files = {what: series.supplied[what] for what in ELSEWHERE}
        atlas = init_atlas_wf(files=files, budget=budget, destination=destination)
        workflow.connect(
            [
                (start, atlas, [("out_combined", "inputnode.magnitude")]),
                (masking, atlas, [("outputnode.mask", "inputnode.mask")]),
            ]
        )
    if settings.rois == "cores" and start is not None and not {"labels", *ELSEWHERE} & series.supplied.keys():
        cores = init_cores_wf(budget=budget, destination=destination)
        workflow.connect(
            [
                (inversion, cores, [(f"{settings.inversion[0]}.out_file", "inputnode.chi")]),
                (start, cores, [("out_combined", "inputnode.magnitude")]),
                (masking, cores, [("outputnode.mask", "inputnode.mask")]),
            ]
        )
    for what, target in (("csf", "csf"), ("reference", "reference_mask")):
        if what in series.supplied:
            region = _supplied(workflow, series, what, budget, destination)
            workflow.connect(
                [
                    (region, inversion, [("out_file", f"inputnode.{target}")]),
                    (region, outputnode, [("out_file", target)]),
                ]
            )
    return workflow


def _supplied_sentence(series: Series) -> str:
    """What the user supplied beside the images, for the methods text; of mask, atlas and COSMOS other stages tell."""
    given = [what for name, what in _SUPPLIED.items() if name in series.supplied]
    if "local" in series.supplied:
        given = [what for what in given if what != _SUPPLIED["total"]]
    if not given:
        return ""
    *some, last = given
    told = f"{', '.join(some)} and {last}" if some else last
    plural = len(given) > 1 or last == _SUPPLIED["labels"]
    return f"{told[0].upper()}{told[1:]} {'were' if plural else 'was'} supplied. "


def _magnitude(
    workflow: Workflow, series: Series, settings: Config, budget: Budget, destination: Destination
) -> Node | None:
    """The node that reads the images; None where only derivatives are supplied."""
    reconstruction = None
    if series.has_phase:
        node = stage_node(ScalePhase(**vars(settings.scale_phase)), "scale_phase", budget)
        if series.has_coils:
            reconstruction = init_reconstruction_wf(series=series, settings=settings, budget=budget)
            wires = [("outputnode.magnitude", "magnitude"), ("outputnode.phase", "phase")]
            workflow.connect([(reconstruction, node, wires)])
        for part in ("magnitude", "phase", "real", "imag"):
            if files := getattr(series, part):
                setattr(node.inputs, part, [str(path) for path in files])
        units = "rad" if series.has_coils else series.phase_units
        if units is not None:
            node.inputs.phase_units = units
        last = {"echo": str(len(series.echo_times)), "part": "phase"}
        keep(workflow, node, "out_wrapped", "wrapped", destination, entities=last)
    elif series.magnitude:
        files = [str(path) for path in series.magnitude]
        node = stage_node(CombineMagnitude(magnitude=files), "combine_magnitude", budget)
    else:
        return None
    kept = keep(workflow, node, "out_combined", "magnitude", destination, scan_of(series))
    if reconstruction is not None:
        workflow.connect([(reconstruction, kept, [("outputnode.out_report", "more_report")])])
    return node


def _supplied(workflow: Workflow, series: Series, what: str, budget: Budget, destination: Destination) -> Node:
    supplied = Supplied(in_file=str(series.supplied[what]), is_mask=what in MASKS)
    node = stage_node(supplied, f"supplied_{what}", budget.single)
    keep(workflow, node, "out_file", what, destination)
    return node
