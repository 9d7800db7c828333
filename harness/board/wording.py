"""What a board says in words, the same in the terminal, in Markdown and in CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.board import PUBLISHED, Board, Row
from harness.board.verdicts import Judged
from harness.method import Task
from harness.running.calibration import CLOSE, Calibration
from harness.running.records import Figure
from harness.scoring.detection import Limit, Share

CONTROL = "control"
FIRST_SHOWN = 0.001  # smallest p that is written out
IN_ACCESS = "in access"  # rank among methods that use the same
LIMIT_TITLE = "LoD"  # limit of detection
P_TITLE = "p"  # of the official metric, corrected for all methods of the board


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
    kind = f"{board.protocol} protocol, " + (
        f"{board.budget} budget" if board.budget else "run files"
    )
    return f"{board.dataset} · {board.task} · {kind}{size}"


def audit_line(board: Board) -> str | None:
    """Return the verdict on the data set, if it has been audited."""
    return None if board.audit is None else f"Verdict on the data: {board.audit}."


def rank_text(row: Row) -> str:
    """Return the rank of a row, or what stands in its place."""
    if row.control:
        return CONTROL
    if row.family == PUBLISHED:
        return PUBLISHED
    return "–" if row.rank is None else str(row.rank)


def p_text(row: Row) -> str:
    """Return the corrected p value of a row's official metric; empty for a control."""
    if row.standing is None or row.standing.adjusted is None:
        return ""
    p = row.standing.adjusted
    return f"{p:.3f}" if p >= FIRST_SHOWN else f"<{FIRST_SHOWN}"


def further_columns(board: Board) -> dict[str, list[str]]:
    """Return what a board tells beside its figures, by title, a text for each row.

    Each only where there is something to tell: p values and ranks in access of a comparison, seeds
    where there are several, looks where there was more than one.
    """
    found = {}
    if board.comparison is not None:
        found[P_TITLE] = [p_text(row) for row in board.rows]
    if any(row.standing and row.standing.rank_in_access for row in board.rows):
        found[IN_ACCESS] = [_in_access_text(row) for row in board.rows]
    if any(row.calibration for row in board.rows):
        found[LIMIT_TITLE] = [_limit_cell(row) for row in board.rows]
    if any(len(row.seeds) > 1 for row in board.rows):
        found["seeds"] = [_seeds_text(row) for row in board.rows]
    if any(row.looks > 1 for row in board.rows):
        found["looks"] = [str(row.looks or "") for row in board.rows]
    return found


def limit_text(limit: Limit) -> str:
    """Return a limit of detection with its interval; ``>`` the largest share tried, if beyond."""
    value, low, high = (_reached(limit, end) for end in (limit.value, limit.low, limit.high))
    return f"{value} [{low}, {high}]"


def alarms_text(calibration: Calibration) -> str:
    """Return in how many redrawn data sets without a copy a method detects one."""
    blanks = calibration.trials(None)
    return f"{sum(trial.detects for trial in blanks)} of {len(blanks)}"


def share_text(share: Share | None) -> str:
    """Return a share of trials with its interval."""
    return "" if share is None else f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _reached(limit: Limit, share: float | None) -> str:
    return f">{limit.largest:.2f}" if share is None else f"{share:.2f}"


def _limit_cell(row: Row) -> str:
    return limit_text(row.calibration.limits[CLOSE]) if row.calibration else ""


def _in_access_text(row: Row) -> str:
    rank = row.standing and row.standing.rank_in_access
    return "" if rank is None else str(rank)


def _seeds_text(row: Row) -> str:
    return str(len(row.seeds)) + ("" if row.spread is None else f" (sd {row.spread:.3f})")


def finding(board: Board) -> str:
    """Return what a board says as a whole: which methods are above chance, and how sure that is."""
    ranked, found = board.ranked, board.above_chance
    permuted = board.comparison is not None and board.comparison.draws
    if not ranked or not (permuted or board.task is Task.MEMBERSHIP):
        return "Whether any method is above chance cannot be told."
    alone = len(ranked) == 1
    if found:
        among = f" ({len(found)} of {len(ranked)} methods, corrected for their number)"
        kept = f"Above chance: {_names(found)}{'' if alone else among}."
        return sentences(kept, luck(board), no_leak(board))
    best = max(ranked, key=lambda row: row.metrics[board.official].value or -1)
    figure = f"{board.official} {figure_text(best.metrics[board.official])}"
    if alone:
        return sentences(f"{best.method} is not above chance: {figure}.", luck(board))
    return sentences(
        f"None of {len(ranked)} methods is above chance, corrected for their number.",
        f"The best, {best.method}, has {figure}.",
        luck(board),
    )


def luck(board: Board) -> str:
    """Say what the best of as many methods that know nothing would reach, where that is known."""
    blind = board.comparison.blind if board.comparison else None
    if blind is None:
        return ""
    best = (
        f"The best of {len(board.ranked)} that know" if len(board.ranked) > 1 else "One that knows"
    )
    return f"{best} nothing exceeds {board.official} {blind:.3f} on one such board in 20."


def no_leak(board: Board) -> str:
    """Say which methods above chance may owe that to something else than the generator."""
    told = [row for row in board.above_chance if row not in board.detecting]
    if not told:
        return ""
    who = _names(told) if board.detecting else "any of them"
    if board.task is Task.MEMBERSHIP or board.best_control is None:
        return (
            f"No leak is shown by {who}: AUC is not clearly above that with images of a "
            "generator that saw none of these reals."
        )
    control = board.best_control
    figure = figure_text(control.metrics[board.official])
    return (
        f"No fingerprint is shown by {who}: {board.official} is not clearly above that of "
        f"the control {control.method}, {figure}."
    )


def sentences(*said: str) -> str:
    """Join what is said; what is empty is left out."""
    return " ".join(text for text in said if text)


def _names(rows: Sequence[Row]) -> str:
    return ", ".join(row.method for row in rows)


def ranking_rule(board: Board) -> str:
    """Return how to read the board."""
    text = "value [95 % interval, by group]; rank = 1 + "
    if board.comparison is None:
        text += f"methods whose {board.official} interval lies wholly above"
    else:
        text += (
            "methods that are significantly better on the same questions (jackknife over groups, "
            "all pairs corrected after Holm)"
        )
    text += ", so methods that cannot be told apart share a rank."
    if board.comparison is not None and board.comparison.draws:
        text += (
            f" {P_TITLE}: how often methods that answer alike but know nothing do as well, "
            f"corrected for all methods of the board ({board.comparison.draws} permutations of the "
            "truth by group, largest value, step-down)."
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
    if any(row.family == PUBLISHED for row in board.rows):
        text += (
            " published: as its team or the organisers printed it, measured on these very images; "
            "its interval takes every image for a patient."
        )
    text += _further(board)
    for row in board.rows:
        if row.stands_for:
            text += f" {row.method} is at this budget also {', '.join(row.stands_for)}."
    return text


def _further(board: Board) -> str:
    """Explain the further columns, but for p."""
    further, text = further_columns(board), ""
    if IN_ACCESS in further:
        text += f" {IN_ACCESS}: the rank among methods that use the same."
    if LIMIT_TITLE in further:
        text += (
            f" {LIMIT_TITLE}: limit of detection (bench calibrate), the smallest share of members "
            "of whom close copies must lie in the pool for AUC to be above chance in 95 % of data "
            "sets like this one, at 5 % false alarms [interval over redrawn data]; > means not at "
            "the largest share tried."
        )
    if "seeds" in further:
        text += (
            " seeds: how many there are, and the standard deviation between them; figures and "
            "intervals are means over the seeds."
        )
    if "looks" in further:
        text += (
            " looks: how often answers of the method to these questions were scored, with other "
            "seeds, parameters or versions of its source, too; who looks often finds by luck."
        )
    return text


@dataclass(frozen=True)
class Cut:
    """A row's kappa at several thresholds, in words."""

    method: str
    cells: tuple[str, ...]  # one for each of ``CUTS``


CUTS = (
    Column("positive_rate", "called used"),
    Column("kappa", "own threshold"),
    Column("kappa_common", "common rule"),
    Column("kappa_prior", "training prior (transductive)"),
    Column("kappa_best", "best (oracle)"),
)
CUTS_TITLE = "Kappa at other thresholds"
CUTS_RULE = (
    "called used: the share of the images, at the method's own threshold. Common rule: the "
    "threshold that is best for the labelled training reals, each scored in cross-validation "
    "(bench run --protocol cv; empty without it). Training prior: as large a share is called used "
    "as was used among the training reals, which looks at all questions together. Best: chosen "
    "with the truth, what no method can know; it has no interval."
)


def cuts(board: Board) -> tuple[Cut, ...]:
    """Return the methods' kappa at thresholds that are the same rule for all; none if unknown."""
    return tuple(
        Cut(row.method, tuple(_cut_text(row, column.metric) for column in CUTS))
        for row in board.rows
        if "kappa_prior" in row.metrics
    )


def _cut_text(row: Row, metric: str) -> str:
    figure = row.metrics.get(metric)
    if figure is None or figure.value is None or metric not in ("positive_rate", "kappa_best"):
        return figure_text(figure)
    return f"{figure.value:.3f}"


def names(texts: Sequence[str], most: int = 4) -> str:
    """Return names as a list in words, cut when there are many."""
    shown = texts if len(texts) <= most + 1 else texts[:most]
    rest = len(texts) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def verdict_lines(judged: Sequence[Judged]) -> list[tuple[str, str, str]]:
    """Return run, method and verdict of published runs that methods re-implement."""
    return [
        (
            f"{told.run.team}, run {told.run.run} ({told.run.edition})",
            told.run.method,
            told.verdict.value,
        )
        for told in judged
    ]
