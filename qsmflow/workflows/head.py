"""One head: its orientations, their registration, and COSMOS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

from nipype.pipeline.engine import Workflow

from qsmflow.bids.header import read_header
from qsmflow.bids.series import Head, Series
from qsmflow.config import Config
from qsmflow.core.geometry import b0_direction

from .cosmos import PER_ORIENTATION, init_cosmos_wf, init_labels_wf
from .nodes import Budget, Destination
from .registration import init_registration_wf
from .series import init_series_wf


def init_head_wf(
    *,
    head: Head,
    settings: Config,
    out_dir: Path,
    source_uri: Callable[[Path], str],
    threads: int,
    gpu: frozenset[str],
    name: str,
) -> Workflow:
    """Every orientation on its own; with several, also COSMOS in the frame of the first and back in each.

    Parameters
    ----------
    head
        Its series; the first is the reference.
    settings
        Of all stages.
    out_dir
        The derivative dataset.
    source_uri
        Names an input file in the ``Sources`` of a sidecar.
    threads
        Most threads that one node may use.
    gpu
        Stages that compute on a GPU.
    """
    workflow = Workflow(name=name)
    every: list[Workflow] = []
    destinations: list[Destination] = []
    directions: list[tuple[float, float, float]] = []
    reference = head.series[0]
    budget = Budget(voxels=1, threads=threads, gpu=gpu)
    for series in head.series:
        image = read_header(series.files[0])
        budget = Budget(prod(image.shape[:3]), max(1, len(series.echo_times)), threads, gpu)
        sources = tuple(source_uri(path) for path in series.files)
        destination = Destination(out_dir, series.entities, sources)
        b0_dir = series.b0_dir or b0_direction(image.affine)
        series_wf = init_series_wf(
            series=series,
            settings=settings,
            b0_dir=b0_dir,
            budget=budget,
            destination=destination,
            name=f"series_{_identifier(series, head)}",
        )
        workflow.add_nodes([series_wf])
        every.append(series_wf)
        destinations.append(destination)
        directions.append(b0_dir)
    if len(every) < 2:
        return workflow

    label = reference.entities[head.orientation_entity]
    cosmos = init_cosmos_wf(
        cosmos=settings.cosmos,
        reference=settings.reference,
        orientation_weights=settings.orientation_weights,
        orientations=len(every),
        budget=replace(budget, images=len(every)),
        destination=Destination(out_dir, head.entities, tuple(s for d in destinations for s in d.sources), space=label),
        supplied=reference.supplied.get("cosmos"),
    )
    for i, (series, series_wf) in enumerate(zip(head.series, every, strict=True)):
        labels = init_labels_wf(
            reference=i == 0, budget=budget, destination=destinations[i], name=f"labels_{_identifier(series, head)}"
        )
        made = [(f"outputnode.{field}", f"inputnode.{field}") for field in ("chi", "out_report")]
        workflow.connect([(cosmos, labels, made)])
        if i == 0:
            cosmos.inputs.inputnode.b0_dir_0 = directions[0]
            wires = [(f"outputnode.{field}", f"inputnode.{field}_0") for field in PER_ORIENTATION if field != "b0_dir"]
            wires += [(f"outputnode.{field}", f"inputnode.{field}") for field in ("csf", "reference_mask")]
            workflow.connect([(series_wf, cosmos, wires)])
            continue
        registration = init_registration_wf(
            registration=settings.registration,
            b0_dir=series.b0_dir,
            labels=(series.entities[head.orientation_entity], label),
            budget=budget,
            destination=replace(destinations[i], space=label),
            transform_destination=Destination(out_dir, head.entities, destinations[i].sources),
            name=f"registration_{_identifier(series, head)}",
        )
        own = [(f"outputnode.{field}", f"inputnode.{field}") for field in ("magnitude", "brain", "local", "mask")]
        theirs = [("outputnode.magnitude", "inputnode.reference"), ("outputnode.brain", "inputnode.reference_brain")]
        into = [(f"outputnode.{field}", f"inputnode.{field}_{i}") for field in PER_ORIENTATION]
        workflow.connect(
            [
                (series_wf, registration, own),
                (every[0], registration, theirs),
                (registration, cosmos, into),
                (registration, labels, [("outputnode.transform", "inputnode.transform")]),
                (series_wf, labels, [("outputnode.magnitude", "inputnode.magnitude")]),
            ]
        )
    return workflow


def _identifier(series: Series, head: Head) -> str:
    """A name for nodes: the orientation, or ``single``."""
    label = series.entities.get(head.orientation_entity)
    return label if label is not None else "single"
