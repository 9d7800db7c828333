"""What the similarities between the questions and the generated images come to.

The matrices themselves are never held: their rows come in blocks and are summed up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench_similarity_rules.measures import Measure, Similarities
from harness.method import ImageSet, Tools


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix of similarities, summed up.

    Attributes:
        highest: (columns,) the largest similarity in each column.
        won: (columns,) share of the rows in which no other column is more similar.
        rank: (columns,) mean rank in the rows, 1 the most similar; equals share their mean rank.
        entries: how many similarities there are.
        mean: of all similarities.
        square: mean of their squares.
    """

    highest: NDArray[np.float64]
    won: NDArray[np.float64]
    rank: NDArray[np.float64]
    entries: int
    mean: float
    square: float

    @classmethod
    def of(cls, blocks: Iterator[Similarities]) -> Matrix:
        """Sum up a matrix of at least one row, given in blocks of rows, (b, columns) each."""
        from scipy.stats import rankdata

        parts = []
        for block in blocks:
            best = block.max(1, keepdims=True)
            sums = ((block == best).sum(0), rankdata(-block, axis=1).sum(0))
            parts.append((block.max(0), *sums, len(block), block.sum(), np.square(block).sum()))
        highest, won, rank, rows, total, squares = zip(*parts, strict=True)
        entries = sum(rows) * len(highest[0])
        return cls(
            np.max(highest, 0),
            np.sum(won, 0) / sum(rows),
            np.sum(rank, 0) / sum(rows),
            entries,
            sum(total) / entries,
            sum(squares) / entries,
        )


def moments(*matrices: Matrix) -> tuple[float, float]:
    """Return mean and population deviation of the entries of some matrices together."""
    shares = np.array([matrix.entries for matrix in matrices], float)
    shares /= shares.sum()
    mean = float(shares @ [matrix.mean for matrix in matrices])
    square = float(shares @ [matrix.square for matrix in matrices])
    return mean, max(0.0, square - mean**2) ** 0.5


class Comparison:
    """Similarities among the reals that are asked, among generated images, and between both."""

    def __init__(
        self, measure: Measure, reals: ImageSet, generated: ImageSet, tools: Tools
    ) -> None:
        """Compare ``reals`` and ``generated`` images by ``measure``, as far as is asked for."""
        self._digest = blake2b(reals.pixels.tobytes()).hexdigest()
        self._measure, self._tools = measure, tools
        self._reals = measure.described(reals)
        self._generated = measure.described(generated)

    @cached_property
    def between(self) -> Matrix:
        """Generated images in rows, reals in columns."""
        return Matrix.of(self._blocks(self._generated, self._reals, "generated with real images"))

    @cached_property
    def among_reals(self) -> Matrix:
        """Reals in rows and columns; each one's similarity to itself is replaced.

        The same reals may be asked of another pool, so what they come to is kept.
        """
        return self._tools.cached(
            f"among reals {self._digest}",
            lambda: Matrix.of(self._own(self._reals, "real with real images")),
        )

    @cached_property
    def among_generated(self) -> Matrix:
        """Generated images in rows and columns; each one's similarity to itself is replaced."""
        return Matrix.of(self._own(self._generated, "generated with generated images"))

    def _own(self, images: Any, what: str) -> Iterator[Similarities]:
        """Yield rows of images with themselves, the diagonal replaced by the mean of its row.

        That mean counts the similarity of an image to itself, as the published code does.
        """
        start = 0
        for block in self._blocks(images, images, what):
            places = np.arange(len(block))
            block[places, start + places] = block.mean(1)
            start += len(block)
            yield block

    def _blocks(self, rows: Any, columns: Any, what: str) -> Iterator[Similarities]:
        """Yield the (b, columns) similarities of some rows at a time."""
        tile = self._measure.tile
        for start in self._tools.progress(range(0, len(rows), tile), what):
            some = rows[start : start + tile]
            parts = [
                self._measure.similarities(some, columns[first : first + tile])
                for first in range(0, len(columns), tile)
            ]
            yield np.concatenate(parts, 1)
