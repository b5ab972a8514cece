"""Every method that is measured, by stage."""

from benchmarks.cases import background, inversion, metrics
from benchmarks.harness import Case

CASES: list[Case] = [*background.CASES, *inversion.CASES, *metrics.CASES]
