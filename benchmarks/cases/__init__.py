"""Every method that is measured, by stage."""

from benchmarks.cases import background, field, inversion, metrics, network
from benchmarks.harness import Case

CASES: list[Case] = [*field.CASES, *background.CASES, *inversion.CASES, *metrics.CASES, *network.CASES]
