"""Ladders: data sets that are the stages of one generator's training, told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.board.board import Board
from harness.method import Task

STAGES = 3  # fewer are no ladder

_STAGE = re.compile(r"(.+)-([0-9]+)")


@dataclass(frozen=True)
class Ladder:
    """The boards of one ladder at one protocol and budget, the first stage first."""

    name: str
    boards: tuple[Board, ...]

    def has(self, board: Board) -> bool:
        """Tell whether a board is one of the stages."""
        return any(stage is board for stage in self.boards)


def find_ladders(boards: Iterable[Board]) -> list[Ladder]:
    """Return the ladders among boards of membership: names that differ by a closing number."""
    found: dict[tuple[str, str, str], list[tuple[int, Board]]] = {}
    for board in boards:
        match = _STAGE.fullmatch(board.dataset)
        if match is not None and board.task is Task.MEMBERSHIP:
            key = match[1], board.protocol, str(board.budget)
            found.setdefault(key, []).append((int(match[2]), board))
    return [
        Ladder(name, tuple(board for _, board in sorted(stages, key=lambda stage: stage[0])))
        for (name, _, _), stages in found.items()
        if _are_stages(sorted(number for number, _ in stages))
    ]


def _are_stages(numbers: list[int]) -> bool:
    """Tell stages, counted from 0 or 1 without a gap, from names that end in a year, say."""
    first = numbers[0]
    whole = numbers == list(range(first, first + len(numbers)))
    return len(numbers) >= STAGES and first in (0, 1) and whole
