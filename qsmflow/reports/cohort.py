"""Who stands out from a cohort: distances from the median in units of the median absolute deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Modified z score beyond which Iglewicz and Hoaglin call a value an outlier.
OUTLIER = 3.5
#: Fewer values than these are no cohort.
FEWEST = 8
#: SD of a normal variable over its median absolute, and over its mean absolute, deviation.
_BY_MEDIAN, _BY_MEAN = 1.4826, 1.2533


def modified_z(values: ArrayLike) -> NDArray[np.float64]:
    """Distance of each value from the median, in robust standard deviations.

    Parameters
    ----------
    values
        Shape (N,), any unit; NaN counts nowhere.

    Returns
    -------
    numpy.ndarray
        float64, (N,); NaN where the value is NaN, and everywhere with fewer than `FEWEST` values. Where more than half
        of the values are the same, the mean absolute deviation takes the place of the median one.

    References
    ----------
    Iglewicz and Hoaglin, How to Detect and Handle Outliers, ASQC 1993.
    """
    given = np.asarray(values, dtype=np.float64)
    fine = given[np.isfinite(given)]
    if fine.size < FEWEST:
        return np.full(given.shape, np.nan)
    away = given - np.median(fine)
    absolute = np.abs(away[np.isfinite(away)])
    scale = _BY_MEDIAN * np.median(absolute) or _BY_MEAN * absolute.mean()
    return away / scale if scale > 0 else np.where(np.isfinite(away), 0.0, np.nan)


def stands_out(z: float, worse: str) -> bool:
    """Whether a modified z is an outlier on the side that is `worse`: ``high``, ``low`` or ``both``."""
    return (z > OUTLIER and worse != "low") or (z < -OUTLIER and worse != "high")
