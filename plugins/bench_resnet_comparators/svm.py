"""A support vector machine on all pairs of some real and some generated images.

The features of a pair are those of its two images in a row, so the Gaussian kernel of two pairs is
the kernel of their reals times the kernel of their generated images. The kernel matrix of all
pairs is a Kronecker product: it need not be formed, and what has to be solved with it is solved by
the eigenvectors of two small matrices. 200 reals with 500 generated images each, 100,000 pairs,
take seconds this way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating]  # (N, D)
Matrix = NDArray[np.float64]

TOLERANCE = 1e-4  # of the weights, as a share of the penalty
ROUNDS = 5000  # at most
STEP = 1.6  # over-relaxation


@dataclass(frozen=True, eq=False)
class PairMachine:
    """What was learnt: the decision on a pair is a weighted sum of its kernels, plus a bias.

    Attributes:
        reals: (R, D) features of the real images learnt from.
        generated: (G, D) features of the generated ones.
        gamma: of the Gaussian kernel exp(-gamma |a - b|²).
        weights: (R, G) of each pair; positive for pairs of used images.
        bias: added to every decision.
        settled: whether the weights came to rest.
    """

    reals: Matrix
    generated: Matrix
    gamma: float
    weights: Matrix
    bias: float
    settled: bool

    @classmethod
    def learnt(
        cls, reals: Rows, used: NDArray[np.int64], generated: Rows, penalty: float
    ) -> PairMachine:
        """Learn from every pair of a real and a generated image; its label is that of the real.

        Args:
            reals: (R, D) features.
            used: (R,) 1 for used, 0 for not used; both occur.
            generated: (G, D) features.
            penalty: of margins that are not kept, C; the weight of a pair is at most that.
        """
        a, b = reals.astype(np.float64), generated.astype(np.float64)
        gamma = scale(a, b)
        targets = np.repeat(np.where(used == 1, 1.0, -1.0)[:, None], len(b), 1)
        kernels = gaussian(a, a, gamma), gaussian(b, b, gamma)
        weights, bias, settled = solved(*kernels, targets, penalty)
        return cls(a, b, gamma, weights, bias, settled)

    def decisions(self, reals: Rows, generated: Rows) -> Matrix:
        """Return (N, M) decisions on all pairs; positive for used."""
        own = gaussian(reals.astype(np.float64), self.reals, self.gamma)
        other = gaussian(self.generated, generated.astype(np.float64), self.gamma)
        decisions: Matrix = own @ self.weights @ other + self.bias
        return decisions


def scale(reals: Matrix, generated: Matrix) -> float:
    """Return the gamma that scikit-learn calls ``scale`` for the features of all pairs.

    That is 1 over their number times the variance of all their entries. Each real occurs as often
    as any other, and so does each generated image.
    """
    means = [rows.mean() for rows in (reals, generated)]
    spread = sum(rows.var() + (rows.mean() - np.mean(means)) ** 2 for rows in (reals, generated))
    variance = float(spread) / 2
    return 1 / (2 * reals.shape[1] * variance) if variance > 0 else 1.0


def gaussian(some: Matrix, others: Matrix, gamma: float) -> Matrix:
    """Return the (A, B) Gaussian kernel of rows with rows."""
    squares = np.square(some).sum(1)[:, None] + np.square(others).sum(1) - 2 * some @ others.T
    kernel: Matrix = np.exp(-gamma * squares.clip(min=0))
    return kernel


def solved(
    left: Matrix, right: Matrix, targets: Matrix, penalty: float
) -> tuple[Matrix, float, bool]:
    """Return the weights (R, G) and bias of the soft-margin machine, and whether they settled.

    The dual problem, min w'Kw/2 - y'w with weights between 0 and ``penalty`` times the target and
    a sum of 0, by the alternating direction method of multipliers (Boyd et al., 2011).

    Args:
        left: (R, R) kernel of the reals.
        right: (G, G) kernel of the generated images; K is the Kronecker product of both.
        targets: (R, G) 1 or -1.
        penalty: C.
    """
    (spectrum, vectors), (other_spectrum, others) = np.linalg.eigh(left), np.linalg.eigh(right)
    eigenvalues = np.outer(spectrum.clip(min=0), other_spectrum.clip(min=0))
    rho = float(np.sqrt(eigenvalues.max()))

    def inverse(rows: Matrix) -> Matrix:
        """Return (K + rho)^-1 applied to (R, G)."""
        turned = vectors.T @ rows @ others
        return np.asarray(vectors @ (turned / (eigenvalues + rho)) @ others.T)

    low, high = np.minimum(0, penalty * targets), np.maximum(0, penalty * targets)
    ones = inverse(np.ones_like(targets))
    weights, dual, moved = np.zeros_like(targets), np.zeros_like(targets), np.inf
    for _ in range(ROUNDS):
        free = inverse(targets + rho * (weights - dual))
        free -= free.sum() / ones.sum() * ones
        relaxed = STEP * free + (1 - STEP) * weights
        before, weights = weights, np.clip(relaxed + dual, low, high)
        dual += relaxed - weights
        moved = max(np.abs(weights - before).max(), np.abs(free - weights).max())
        if moved <= TOLERANCE * penalty:
            break
    missing = targets - left @ weights @ right
    return weights, _bias(weights, missing, low, high), bool(moved <= TOLERANCE * penalty)


def _bias(weights: Matrix, missing: Matrix, low: Matrix, high: Matrix) -> float:
    """Return what is added to decisions, given what each is short of its target.

    Pairs whose weight is inside its bounds lie on the margin and tell it. Without any, weights at
    their lower bounds say at least how much it is and those at their upper ones at most.
    """
    near = 10 * TOLERANCE * (high - low)
    above, below = weights > low + near, weights < high - near
    if (above & below).any():
        return float(missing[above & below].mean())
    return float(missing[below].max() + missing[above].min()) / 2
