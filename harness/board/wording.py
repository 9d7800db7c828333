"""What a board says in words, the same in the terminal, in Markdown and in CSV."""

from __future__ import annotations

from dataclasses import dataclass

from harness.board.board import Board
from harness.method import Task
from harness.running.records import Figure

CONTROL = "control"


@dataclass(frozen=True)
class Column:
    """A column of figures."""

    metric: str
    title: str
    short: bool = False  # without interval, for want of room


NARROW = {
    Task.MEMBERSHIP: (
        Column("kappa", "kappa"),
        Column("auc", "AUC"),
        Column("auc_null_pool", "null pool", short=True),
    ),
    Task.ATTRIBUTION: (Column("accuracy", "accuracy"), Column("f1", "macro F1")),
}
WIDE = {
    Task.MEMBERSHIP: (
        Column("kappa", "kappa"),
        Column("auc", "AUC"),
        Column("auc_null_pool", "AUC null pool"),
        Column("auc_other_slice", "AUC other slice"),
        Column("tpr_at_fpr_5", "TPR at 5% FPR"),
    ),
    Task.ATTRIBUTION: (
        Column("accuracy", "accuracy"),
        Column("f1", "macro F1"),
        Column("precision", "macro precision"),
        Column("recall", "macro recall"),
    ),
}


def columns(board: Board, *, wide: bool) -> tuple[Column, ...]:
    """Return the columns that a board shows; one that no row fills is left out."""
    chosen = (WIDE if wide else NARROW)[board.task]
    return tuple(c for c in chosen if any(c.metric in row.metrics for row in board.rows))


def figure_text(figure: Figure | None) -> str:
    """Return a figure with its 95 % interval, or what stands in its place."""
    if figure is None:
        return ""
    if figure.value is None:
        return "n/a"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f} [?]"
    return f"{figure.value:.3f} [{figure.low:.2f}, {figure.high:.2f}]"


def headline(board: Board) -> str:
    """Return the title of a board, with how many images and patients stand behind it."""
    counted = next((row.metrics[board.official] for row in board.rows if row.metrics), None)
    size = f" · {counted.n} images of {counted.groups} groups" if counted else ""
    kind = f"{board.protocol} protocol, {board.budget} budget"
    return f"{board.dataset} · {board.task} · {kind}{size}"


def audit_line(board: Board) -> str | None:
    """Return the verdict on the data set, if it has been audited."""
    return None if board.audit is None else f"Verdict on the data: {board.audit}."


def ranking_rule(board: Board) -> str:
    """Return how to read the board."""
    text = (
        f"value [95 % interval, by group]; rank = 1 + methods whose {board.official} interval lies "
        f"wholly above, so methods that cannot be told apart share a rank."
    )
    if any("auc_null_pool" in row.metrics for row in board.rows):
        text += (
            " AUC null pool: the same with images of a generator that saw none of these reals; "
            "only what AUC has above it is a leak."
        )
    if any("auc_other_slice" in row.metrics for row in board.rows):
        text += (
            " AUC other slice: how often an image that was not used, of a patient of whom another "
            "was, outscores one of a patient who was not used; such images count nowhere else."
        )
    for row in board.rows:
        if row.stands_for:
            text += f" {row.method} is at this budget also {', '.join(row.stands_for)}."
    return text
