"""Whether methods differ on the same cases: paired t-tests with a correction for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np


class Paired(NamedTuple):
    """Two methods on the same cases.

    Attributes
    ----------
    first, second
        Their names.
    cases
        How many both have.
    difference
        Mean of first less second over them, in the unit of the values.
    t
        Student's t of that mean, with one degree of freedom less than there are cases.
    p, corrected
        Two-sided probability of a larger t where there is no difference; and after the correction.
    """

    first: str
    second: str
    cases: int
    difference: float
    t: float
    p: float
    corrected: float


def paired_tests(values: Mapping[str, Sequence[float]], *, correction: str = "holm") -> list[Paired]:
    """Paired t-tests of every method against every other.

    Parameters
    ----------
    values
        For each method one value a case, the cases in one order; what is not finite is the value of a case that the
        method does not have.
    correction
        For the number of tests, as `statsmodels.stats.multitest.multipletests` calls it: ``holm``, ``bonferroni``,
        ``fdr_bh`` and others.

    Returns
    -------
    list
        One for each pair, in the order of `values`. Where all differences are equal, or both methods have fewer than
        two cases, t and p are not defined, NaN; such tests do not count in the correction.

    Raises
    ------
    ValueError
        The methods have different numbers of values, or fewer than two.

    References
    ----------
    Student, Biometrika 1908, 6:1; Holm, Scand J Stat 1979, 6:65.
    """
    from scipy import stats
    from statsmodels.stats.multitest import multipletests

    counts = {len(one) for one in values.values()}
    if len(counts) > 1 or min(counts, default=2) < 2:
        raise ValueError(f"values: methods have {sorted(counts)} cases; a paired test needs the same number, 2 or more")
    tests = []
    for first, second in combinations(values, 2):
        pairs = np.stack([np.asarray(values[one], float) for one in (first, second)])
        difference = np.subtract(*pairs[:, np.isfinite(pairs).all(0)])
        n = len(difference)
        mean = float(difference.mean()) if n else float("nan")
        scatter = float(difference.std(ddof=1)) if n > 1 else 0.0
        # what rounding leaves of equal differences is no scatter
        even = scatter <= 1e-12 * float(np.abs(difference).max(initial=0.0))
        t = float("nan") if even else mean / (scatter / n**0.5)
        p = float("nan") if even else float(2.0 * stats.t.sf(abs(t), n - 1))
        tests.append(Paired(first, second, n, mean, t, p, float("nan")))
    known = [i for i, test in enumerate(tests) if test.p == test.p]
    if known:
        corrected = multipletests([tests[i].p for i in known], method=correction)[1]
        for i, p in zip(known, corrected, strict=True):
            tests[i] = tests[i]._replace(corrected=float(p))
    return tests
