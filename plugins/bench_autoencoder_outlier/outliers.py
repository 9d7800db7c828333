"""What is an outlier: the threshold of all four systems."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def from_mean(values: NDArray[np.floating[Any]], deviations: float) -> float:
    """Return what lies so many population deviations above the mean of all values."""
    return float(values.mean() + deviations * values.std())
