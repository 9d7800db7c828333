"""Charts of a ladder: figures against the stage of a generator's training."""

from __future__ import annotations

from collections.abc import Sequence

from harness.board.board import Board
from harness.board.wording import figure_text
from harness.running.records import Figure
from harness.site.charts import SERIES, Chart, Spec, bars, line, rounded, safe, stroke, value_of

ASIDE = 0.04  # of the way from stage to stage, between curves, so that intervals do not overlap
NULL = "images of a generator that saw none of these reals"


def ladder(boards: Sequence[Board], here: str | None = None) -> Chart:
    """Draw the AUC of every method against the stage; those that end highest are named.

    Args:
        boards: the stages of one generator, the least trained first.
        here: the data set of the page, which is marked.
    """
    last = [row for row in boards[-1].rows if not row.control and value_of(row.metrics.get("auc"))]
    last.sort(key=lambda row: -(value_of(row.metrics["auc"]) or 0.0))
    named, others = last[: SERIES - 1], last[SERIES - 1 :]
    data = [_behind(boards, row.method) for row in others]
    data += [
        _curve(boards, row.method, "auc", row.method, number=n, of=len(named))
        for n, row in enumerate(named)
    ]
    said = "; ".join(
        f"{row.method}: {', '.join(_short(_figure(b, row.method, 'auc')) for b in boards)}"
        for row in named
    )
    alt = (
        f"AUC against stage, {boards[0].dataset} to {boards[-1].dataset}. Highest at the end: "
        f"{said}. {len(others)} other methods are drawn in grey."
    )
    return Chart({"data": data, "layout": _stages(boards, here)}, alt, 440 + 20 * len(named))


def method_ladder(boards: Sequence[Board], method: str) -> Chart:
    """Draw one method's AUC against the stage, beside its AUC with the null pool."""
    data = [
        _curve(boards, method, "auc", "the generator's own images", number=0, of=2),
        _curve(boards, method, "auc_null_pool", NULL, number=1, of=2),
    ]
    data = [curve for curve in data if curve["x"]]  # who asks for no pool has no second curve
    own, null = (
        ", ".join(_short(_figure(board, method, metric)) for board in boards)
        for metric in ("auc", "auc_null_pool")
    )
    alt = (
        f"AUC of {method} from {boards[0].dataset} to {boards[-1].dataset}: {own}; "
        f"with the null pool: {null}."
    )
    return Chart({"data": data, "layout": _stages(boards, None)}, alt, 360)


def _stages(boards: Sequence[Board], here: str | None) -> Spec:
    names = [board.dataset for board in boards]
    shapes = [line(y=0.5)]
    if here is not None:
        band = {"type": "rect", "layer": "below", "yref": "paper", "y0": 0, "y1": 1}
        place = names.index(here)
        colours = {"fillcolor": "--raised", "line": {"width": 0}}
        shapes.append({**band, **colours, "x0": place - 0.3, "x1": place + 0.3})
    return {
        "xaxis": {"tickvals": list(range(len(names))),
                  "ticktext": [safe(name.rpartition("-")[2]) for name in names],
                  "title": {"text": safe(f"stage, {names[0]} to {names[-1]}")},
                  "range": [-0.35, len(names) - 0.65], "showgrid": False, "zeroline": False},
        "yaxis": {"title": {"text": "AUC"}, "zeroline": False, "dtick": 0.1},
        "legend": {"orientation": "h", "y": -0.17, "yanchor": "top", "x": 0},
        "shapes": shapes,
        "margin": {"t": 12, "b": 48, "l": 48, "r": 12},
    }  # fmt: skip


def _curve(
    boards: Sequence[Board], method: str, metric: str, name: str, *, number: int, of: int
) -> Spec:
    """Return a curve over the stages with its intervals, a little aside from the ``of`` others."""
    places, figures = _over_stages(boards, method, metric)
    aside = ASIDE * (number - (of - 1) / 2)
    return {
        "type": "scatter", "mode": "lines+markers", "name": safe(name),
        "x": [round(place + aside, 3) for place in places],
        "y": [rounded(figure.value) for figure in figures],
        "text": [figure_text(figure) for figure in figures],
        "line": stroke(number), "marker": {"size": 6},
        "error_y": bars(figures, f"--series-{number + 1}"),
        "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
    }  # fmt: skip


def _behind(boards: Sequence[Board], method: str) -> Spec:
    """Return a curve that stands behind those that are named."""
    places, figures = _over_stages(boards, method, "auc")
    return {
        "type": "scatter", "mode": "lines", "name": safe(method), "showlegend": False,
        "x": places, "y": [rounded(figure.value) for figure in figures],
        "line": {"color": "--ink-faint", "width": 1}, "opacity": 0.5,
        "hovertemplate": "%{y:.3f}<extra>%{fullData.name}</extra>",
    }  # fmt: skip


def _over_stages(
    boards: Sequence[Board], method: str, metric: str
) -> tuple[list[int], list[Figure]]:
    """Return the stages at which a method has a figure, and the figures."""
    figures = ((place, _figure(board, method, metric)) for place, board in enumerate(boards))
    known = [(place, f) for place, f in figures if f is not None and f.value is not None]
    return [place for place, _ in known], [figure for _, figure in known]


def _figure(board: Board, method: str, metric: str) -> Figure | None:
    rows = (row for row in board.rows if row.method == method)
    return next((row.metrics.get(metric) for row in rows), None)


def _short(figure: Figure | None) -> str:
    value = value_of(figure)
    return "n/a" if value is None else f"{value:.2f}"
