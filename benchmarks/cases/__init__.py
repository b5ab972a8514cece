"""Every method that is measured, by stage."""

from benchmarks.cases import background, field, inversion, metrics
from benchmarks.harness import Case

CASES: list[Case] = [*field.CASES, *background.CASES, *inversion.CASES, *metrics.CASES]
