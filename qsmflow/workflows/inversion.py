"""From the local field of one orientation to susceptibility."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from nipype.pipeline.engine import Workflow

from qsmflow import config
from qsmflow.bids.naming import spread_of
from qsmflow.interfaces.inversion import ILSQR, L2, MEDI, TKD, TSVD
from qsmflow.interfaces.iterative import NDI, NLTGV, NLTV, RTS, TGV, TV, WHTV
from qsmflow.interfaces.network import SIQSM, DeepQSM, QSMnet, QSMnetPlus
from qsmflow.nets.card import read
from qsmflow.nets.weights import card_path, find, several, while_unchanged
from qsmflow.reports.stated import in_brackets, stated

from .nodes import Budget, Destination, fields_node, keep, stage_node

#: Inversions by name: interface and methods sentence.
INVERSIONS = {
    "tkd": (TKD, "truncated k-space division [@tkd]"),
    "tsvd": (TSVD, "truncated singular value decomposition [@tsvd]"),
    "l2": (L2, "closed-form L2-regularised inversion [@l2]"),
    "ilsqr": (ILSQR, "least squares less streaking artefacts, iLSQR [@ilsqr]"),
    "rts": (RTS, "rapid two-step inversion [@rts]"),
    "tv": (TV, "total-variation inversion [@l1qsm; @fansi]"),
    "nltv": (NLTV, "nonlinear total-variation inversion [@fansi]"),
    "tgv": (TGV, "inversion with total generalised variation [@fansi; @tgv]"),
    "nltgv": (NLTGV, "nonlinear inversion with total generalised variation [@fansi; @tgv]"),
    "ndi": (NDI, "nonlinear dipole inversion [@ndi]"),
    "whtv": (WHTV, "weak-harmonic total-variation inversion [@whqsm]"),
    "medi": (MEDI, "morphology-enabled dipole inversion [@medi]"),
    "qsmnet": (QSMnet, "the network QSMnet [@qsmnet]"),
    "qsmnet_plus": (QSMnetPlus, "the network QSMnet+ [@qsmnetplus]"),
    "siqsm": (SIQSM, "the network SI-QSM"),
    "deepqsm": (DeepQSM, "the network DeepQSM [@deepqsm]"),
}

_card = while_unchanged(read)


def init_inversion_wf(
    *,
    methods: tuple[str, ...],
    settings: config.Config,
    b0_dir: tuple[float, float, float],
    te: tuple[float, ...],
    b0: float | None,
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
    te, b0
        s and T, for the methods that take the field as a phase; without them these are linear.

    Inputs
    ------
    local, mask, magnitude, noise, csf, reference_mask
    """
    workflow = Workflow(name=name)
    inputnode = fields_node(["local", "mask", "magnitude", "noise", "csf", "reference_mask"], "inputnode")
    common: dict[str, Any] = {
        "b0_dir": b0_dir,
        "reference": settings.reference,
        "choose_weight": settings.choose_weight,
        "two_pass": settings.two_pass,
    }
    if te and b0:
        common |= {"te": phase_time(te), "b0": b0}
    for method in methods:
        interface, _ = INVERSIONS[method]
        inputs = interface.input_spec().traits()
        known = {name: value for name, value in common.items() if name in inputs}
        node = stage_node(interface(**known, **vars(getattr(settings, method))), method, budget.single)
        wires = [("local", "in_file"), ("mask", "mask"), ("csf", "csf"), ("reference_mask", "reference_mask")]
        wires += [(optional, optional) for optional in ("magnitude", "noise") if optional in inputs]
        workflow.connect([(inputnode, node, wires)])
        limits = limits_of(getattr(settings, method).weights) if method in config.NETWORKS else {}
        keep(workflow, node, "out_file", method, destination, {"Limits": limits} if limits else {})
        if method in config.NETWORKS and len(several(getattr(settings, method).weights)) > 1:
            desc = {"desc": spread_of(method)}
            keep(workflow, node, "out_sd", "spread", destination, entities=desc, name=f"save_{method}_spread")
    names = [INVERSIONS[method][1] for method in methods]
    if "medi" in methods:  # without a scale of the phase its data term is linear
        names[methods.index("medi")] += " with a nonlinear data term [@nonlinearfit]" if te and b0 else ""
    for place, method in enumerate(methods):
        own = getattr(settings, method)
        seen = what_it_sees(own.weights) if method in config.NETWORKS else ""
        told = stated(method, vars(own), without=("weights",))
        names[place] += in_brackets("; ".join(filter(None, [seen, told])))
    workflow.__desc__ = (
        f"Susceptibility was computed by {' and by '.join(names)}. {_weight_sentence(methods, settings)}"
    )
    if settings.two_pass:
        workflow.__desc__ += (
            f"Sources stronger than {settings.two_pass:g} ppm were inverted first, and their field taken out "
            "[@starqsm; @qsmxt]. "
        )
    workflow.__desc__ += zero_sentence(settings.reference)
    return workflow


def phase_time(te: tuple[float, ...]) -> float:
    """Echo time at which a field is taken as a phase, s: the least spacing of the echoes, where turns are rarest.

    To the nanosecond, which differences of decimal numbers are not.
    """
    return round(min((after - before for before, after in pairwise(te)), default=te[0]), 9)


def what_it_sees(text: str) -> str:
    """Which weights were used, and what they see, for the methods text."""
    told = []
    for one in several(text):
        card = _card(card_path(find(one)))
        channels = [INVERSIONS[c.name][1] if c.name in INVERSIONS else c.name for c in card.inputs]
        told.append(f"{card.name}, a {card.network} that sees {', '.join(channels)}")
    return f"weights {'; '.join(told)}"


def limits_of(text: str) -> dict[str, str]:
    """What the weights of a setting are not for, by the name on their card."""
    cards = [_card(card_path(find(one))) for one in several(text)]
    return {card.name: card.limits for card in cards if card.limits}


def _weight_sentence(methods: tuple[str, ...], settings: config.Config) -> str:
    """How the weights were chosen, for the methods text."""
    if settings.choose_weight == "none":
        return ""
    weighted = [method for method in methods if hasattr(getattr(settings, method), "weight")]
    ways = {
        "quasioptimality": "quasi-optimality [@quasioptimality]",
        "lcurve": "the L-curve's inflection [@lcurve]",
        "whiteness": "the whiteness of the residual [@whiteness]",
    }
    return (
        f"The weight of {' and '.join(weighted)} was sought by {ways[settings.choose_weight]}, from a hundredth to a "
        "hundred times that given; where the curve told none, that given was kept. The sidecars state the weights. "
    )


def zero_sentence(reference: str) -> str:
    """Where the susceptibility is zero, for the methods text."""
    if reference == "none":
        return ""
    where = {"brain": "the brain", "csf": "the cerebrospinal fluid", "mask": "a supplied region"}[reference]
    return f"Its mean is zero in {where}. "
