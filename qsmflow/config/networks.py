"""Defaults of the stages that are trained networks."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting

#: Networks that invert one orientation, by the name that each has everywhere.
NETWORKS = ("qsmnet", "qsmnet_plus", "siqsm", "deepqsm")
_WEIGHTS = "name in the package or .safetensors file; several, with commas between, make a mean and its spread"


@dataclass(frozen=True)
class Network(Settings):
    """What every trained network can be told."""

    weights: str = setting("", _WEIGHTS)
    precision: str = setting(
        "auto",
        "of the features: auto is float16 on a GPU and float32 on a CPU",
        choices=("auto", "float32", "bfloat16", "float16"),
    )


@dataclass(frozen=True)
class QSMnet(Network):
    """Inversion by QSMnet."""

    weights: str = setting("qsmnet", _WEIGHTS)


@dataclass(frozen=True)
class QSMnetPlus(Network):
    """Inversion by QSMnet+."""

    weights: str = setting("qsmnet_plus", _WEIGHTS)


@dataclass(frozen=True)
class SIQSM(Network):
    """Inversion by SI-QSM."""

    weights: str = setting("siqsm", _WEIGHTS)


@dataclass(frozen=True)
class DeepQSM(Network):
    """Inversion by DeepQSM."""

    weights: str = setting("deepqsm", _WEIGHTS)


@dataclass(frozen=True)
class Denoiser(Network):
    """Noise taken out of the local field by a network."""

    weights: str = setting("denoiser_2d", _WEIGHTS)
