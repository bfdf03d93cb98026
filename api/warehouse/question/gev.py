"""Return levels of annual maxima: the generalised extreme value distribution, fitted by L-moments.

After Hosking, Wallis and Wood (1985) and Hosking (1990). The libraries that have it (lmoments3, scipy) need NumPy and
SciPy, which the service does without. Their published values are the tests.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

_EULER = 0.5772156649015329
_SMALL = 1e-6  # of the shape: below it the distribution is Gumbel's


@dataclass(frozen=True)
class Gev:
    """Location, scale and Hosking's shape k: under 0 the tail is heavy, over 0 it has an end."""

    location: float
    scale: float
    shape: float

    def level(self, period: float) -> float:
        """Give the value that one year in `period` exceeds."""
        reduced = -math.log(-math.log1p(-1 / period))
        if abs(self.shape) < _SMALL:
            return self.location + self.scale * reduced
        return self.location - self.scale * math.expm1(-self.shape * reduced) / self.shape


def l_moments(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, L-scale and L-skewness of at least 3 values, unbiased. The skewness of equal values is 0."""
    ordered, n = sorted(values), len(values)
    b0 = sum(ordered) / n
    b1 = sum(i * x for i, x in enumerate(ordered)) / (n * (n - 1))
    b2 = sum(i * (i - 1) * x for i, x in enumerate(ordered)) / (n * (n - 1) * (n - 2))
    scale = 2 * b1 - b0
    return b0, scale, (6 * b2 - 6 * b1 + b0) / scale if scale > 0 else 0.0


def fit_gev(values: Sequence[float]) -> Gev | None:
    """Fit the distribution; None for values that are all equal, or so few that they have no shape."""
    mean, spread, skewness = l_moments(values)
    if spread <= 1e-9 * max(1.0, abs(mean)) or not -0.9 < skewness < 0.9:
        return None
    k = _shape_of(skewness)
    if abs(k) < _SMALL:
        scale = spread / math.log(2)
        return Gev(mean - _EULER * scale, scale, 0.0)
    gamma = math.gamma(1 + k)
    scale = spread * k / (gamma * -math.expm1(-k * math.log(2)))
    return Gev(mean - scale * (1 - gamma) / k, scale, k)


def _shape_of(skewness: float) -> float:
    """Solve 2 (1 - 3^-k) / (1 - 2^-k) - 3 = skewness by Newton's method, from Hosking's approximation."""
    two, three = math.log(2), math.log(3)
    c = 2 / (3 + skewness) - two / three
    k = 7.8590 * c + 2.9554 * c * c
    for _ in range(20):
        if abs(k) < _SMALL:
            return k
        above, below = -math.expm1(-k * three), -math.expm1(-k * two)
        slope = 2 * (three * (1 - above) * below - two * (1 - below) * above) / (below * below)
        step = (2 * above / below - 3 - skewness) / slope
        k -= step
        if abs(step) < 1e-10:
            break
    return k


def intervals(
    values: Sequence[float], periods: Sequence[float], *, resamples: int, share: float, seed: int
) -> list[tuple[float, float]]:
    """Bootstrap the levels' confidence intervals: draw the years again, with the same draws at each call."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    levels: list[list[float]] = [[] for _ in periods]
    for _ in range(resamples):
        fitted = fit_gev(draw.choices(values, k=len(values)))
        if fitted:
            for found, period in zip(levels, periods, strict=True):
                found.append(fitted.level(period))
    return [(_quantile(found, (1 - share) / 2), _quantile(found, (1 + share) / 2)) for found in levels]


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
