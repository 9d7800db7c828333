"""What a board says of its rows as a whole."""

from dataclasses import replace

import pytest

from harness.board.board import Board, Row
from harness.board.markdown import index_line
from harness.board.wording import finding
from harness.method import Budget, Task
from harness.running.records import Figure, Status


def row(name: str, value: float, low: float, high: float, *, control: bool = False) -> Row:
    kappa = Figure(value=value, low=low, high=high, n=400, groups=200)
    rank = None if control else 1
    return Row(name, name, control, Status.OK, None, rank, (), (), {"kappa": kappa}, 1.0)


def board(rows: list[Row]) -> Board:
    return Board("set", Task.MEMBERSHIP, "official", Budget.DEMO, "0", (), tuple(rows))


@pytest.mark.parametrize(("others", "named"), [(0, ["lucky"]), (1, []), (25, [])])
def test_the_luck_of_one_among_many_is_not_above_chance(others, named):
    """An interval of 95 % that barely misses 0 says little about the best of many methods."""
    rows = [row("lucky", 0.17, 0.01, 0.31)]
    rows += [row(f"method-{number}", 0, -0.1, 0.1) for number in range(others)]
    assert [found.method for found in board(rows).above_chance] == named


def test_a_clear_finding_stays_and_a_control_is_none():
    rows = [row("finds", 0.77, 0.71, 0.82), row("control", 0.5, 0.4, 0.6, control=True)]
    rows += [row(f"method-{number}", 0, -0.1, 0.1) for number in range(30)]
    assert [found.method for found in board(rows).above_chance] == ["finds"]


def test_the_index_names_nobody_for_sharing_the_first_rank():
    tied = row("tied", 0.22, -0.01, 0.43)
    assert "| finds | kappa 0.620" in index_line(board([row("finds", 0.62, 0.39, 0.78), tied]))
    assert "| none detects anything |" in index_line(board([tied]))
    # The highest kappa of the board is not its figure where that method shows no leak.
    auc = Figure(value=0.8, low=0.7, high=0.9, n=400, groups=200)
    lucky = row("lucky", 0.7, 0.5, 0.8)
    lucky = replace(lucky, metrics=lucky.metrics | {"auc": auc, "auc_null_pool": auc})
    assert "| leak | kappa 0.620" in index_line(board([lucky, row("leak", 0.62, 0.39, 0.78)]))
    assert "| none ranked |" in index_line(board([row("blind", 0.2, 0.1, 0.3, control=True)]))


def test_a_board_of_one_method_says_so():
    found = finding(board([row("finds", 0.62, 0.39, 0.78)]))
    assert found == "Above chance: finds."
    assert finding(board([row("blind", 0.1, -0.1, 0.3)])).startswith("blind is not above chance: ")
