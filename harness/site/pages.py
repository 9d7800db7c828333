"""The pages and data files of a site, made from what there is to show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.board.export import board_csv
from harness.board.verdicts import judge
from harness.board.wording import (
    CUTS,
    CUTS_RULE,
    CUTS_TITLE,
    WIDE,
    columns,
    cuts,
    ranking_rule,
)
from harness.method import Budget
from harness.running.records import Figure, Record, RecordStore
from harness.site import charts, stages
from harness.site.charts import Chart
from harness.site.doses import dose_response
from harness.site.exhibit import Exhibit, Hung
from harness.site.finding import chance_level
from harness.site.ladder import find_ladders
from harness.site.methods import Result, Shown, gather
from harness.site.names import slug
from harness.site.resources import templates
from harness.site.sources import Sources
from harness.site.table import Scale, Whisker, figure_cell, make_table, rank_cell

Files = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Drawn:
    """A chart on a page, with an id that the page has once."""

    id: str
    title: str
    chart: Chart


class Pages:
    """Writes every page of a site."""

    def __init__(self, sources: Sources, exhibits: Sequence[Exhibit]) -> None:
        self._templates = templates()
        self._store = sources.published
        self._exhibits = exhibits
        boards = [hung.board for exhibit in exhibits for hung in exhibit.boards]
        tables = [e.entry.comparable_to if e.entry else () for e in exhibits for _ in e.boards]
        self._judged = tuple(judge(sources.runs, list(zip(boards, tables, strict=True))))
        self._methods = gather(exhibits, sources, self._judged)
        self._ladders = find_ladders(boards)

    def all(self) -> Files:
        """Yield every page and data file by where it lies."""
        yield from self._fixed()
        for exhibit in self._exhibits:
            yield from self._of_dataset(exhibit)
        for method in self._methods:
            yield f"methods/{slug(method.name)}.html", self._method(method)

    def _fixed(self) -> Files:
        scales = {
            task: Scale.holding([f for h in hung if (f := _best(h))], 0.0)
            for task, hung in self._by_task().items()
        }
        rows = [
            (exhibit, hung, _marked(scales[exhibit.task], hung))
            for exhibit in self._exhibits
            for hung in exhibit.boards
        ]
        drawn = [
            Drawn(f"ladder-{n}", ladder.name, stages.ladder(ladder.boards))
            for n, ladder in enumerate(self._ladders)
        ]
        yield "index.html", self._page("index.html", "", rows=rows, ladders=drawn)
        yield "methods.html", self._page("methods.html", "", methods=self._methods)
        known = {method.name for method in self._methods}
        yield "published.html", self._page("published.html", "", judged=self._judged, known=known)
        yield "reading.html", self._page("reading.html", "")

    def _by_task(self) -> dict[str, list[Hung]]:
        found: dict[str, list[Hung]] = {}
        for exhibit in self._exhibits:
            found.setdefault(exhibit.task, []).extend(exhibit.boards)
        return found

    def _of_dataset(self, exhibit: Exhibit) -> Files:
        name = slug(exhibit.name)
        boards = [self._board(number, hung) for number, hung in enumerate(exhibit.boards)]
        cut = {"cut_columns": CUTS, "cuts_title": CUTS_TITLE, "cuts_rule": CUTS_RULE}
        page = self._page("board.html", "../", exhibit=exhibit, boards=boards, **cut)
        yield f"boards/{name}.html", page
        yield f"datasets/{name}.html", self._page("dataset.html", "../", exhibit=exhibit)
        if exhibit.audit is not None:
            yield f"records/{name}/audit.json", _json(exhibit.audit.content)
        for hung in exhibit.boards:
            stem = f"boards/{board_file(hung)}"
            yield f"{stem}.csv", board_csv([hung.board]).encode()
            yield f"{stem}.json", _json(hung.board.as_json())
            for record in (run for runs in hung.runs.values() for run in runs):
                yield record_file(self._store, record), _json(record.model_dump(mode="json"))
            if hung.gallery is not None:
                yield from ((f"images/{file}", png) for file, png in hung.gallery.files.items())

    def _board(self, number: int, hung: Hung) -> dict[str, Any]:
        """Return what the page says of one board."""
        board = hung.board
        drawn = [("forest", "Intervals", charts.forest(board, hung.finding))]
        if hung.outcomes:
            figures = {name: hung.row(name).metrics["auc"] for name in hung.drawn}
            drawn.append(("roc", "ROC curves", charts.roc(hung.drawn, figures)))
        shown = [Drawn(f"{name}-{number}", title, c) for name, title, c in drawn if c is not None]
        scores = [
            Drawn(f"scores-{number}-{n}", name, charts.histogram(name, outcome))
            for n, (name, outcome) in enumerate(hung.drawn.items())
        ]
        ladders = [
            Drawn(f"ladder-{number}", ladder.name, stages.ladder(ladder.boards, board.dataset))
            for ladder in self._ladders
            if ladder.has(board)
        ]
        return {
            "hung": hung,
            "table": make_table(board, hung.finding),
            "files": board_file(hung),
            "charts": {drawn.id.rpartition("-")[0]: drawn for drawn in shown},
            "scores": scores,
            "ladders": ladders,
            "rule": ranking_rule(board),
            "cuts": cuts(board),
        }

    def _method(self, method: Shown) -> bytes:
        wanted = {c.metric for r in method.results for c in columns(r.hung.board, wide=True)}
        shown = [column for column in WIDE[method.task] if column.metric in wanted]
        rows = [
            (result, rank_cell(result.row), [figure_cell(_figure(result, c.metric)) for c in shown])
            for result in method.results
        ]
        ladders = [
            Drawn(f"ladder-{n}", ladder.name, stages.method_ladder(ladder.boards, method.name))
            for n, ladder in enumerate(self._ladders)
            if any(row.method == method.name for b in ladder.boards for row in b.rows)
        ]
        curves = []
        for n, result in enumerate(method.results):
            outcome = result.hung.outcomes.get(result.row.method)
            if outcome is not None:
                name = result.row.method
                roc = charts.roc({name: outcome}, {name: result.row.metrics["auc"]})
                histogram = charts.histogram(name, outcome)
                pair = Drawn(f"roc-{n}", "ROC", roc), Drawn(f"scores-{n}", "Scores", histogram)
                curves.append((result, pair))
        doses = [
            (result, Drawn(f"dose-{n}", result.hung.board.dataset, dose_response(calibration)))
            for n, result in enumerate(method.results)
            if (calibration := result.row.calibration) is not None
        ]
        content = {"method": method, "columns": shown, "rows": rows, "ladders": ladders}
        content |= {"doses": doses}
        content |= {"curves": curves, "parameters": _parameters(method)}
        return self._page("method.html", "../", **content)

    def _page(self, template: str, root: str, **content: Any) -> bytes:
        """Fill a template; ``root`` leads from the page to the folder of the site."""
        text = self._templates.get_template(template).render(
            root=root, page=template, record_file=self._record, **content
        )
        return text.encode()

    def _record(self, record: Record) -> str:
        return record_file(self._store, record)


def board_file(hung: Hung) -> str:
    """Return the name of a board's data files, without ending."""
    return slug(f"{hung.board.dataset}@{hung.board.protocol}-{hung.board.budget}")


def record_file(store: RecordStore, record: Record) -> str:
    """Return where a record lies in the site."""
    dataset = record.dataset.name
    stem = store.stem(
        dataset=dataset,
        method=record.method.name,
        changed=record.method.changed,
        protocol=record.protocol,
        budget=record.method.budget,
        seed=record.seed,
    )
    name = stem.relative_to(store.root / dataset).as_posix()
    return f"records/{slug(dataset)}/{slug(name)}.json"


def _parameters(method: Shown) -> list[tuple[str, str, str, str]]:
    """Return name, meaning, the paper's value and the demo's of each parameter."""
    if method.card is None:
        return []
    paper, demo = (method.card.parameters.get(budget, {}) for budget in (Budget.PAPER, Budget.DEMO))
    return [
        (name, str(field.get("description", "")), _value(paper.get(name)), _value(demo.get(name)))
        for name, field in method.card.fields.items()
    ]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _best(hung: Hung) -> Figure | None:
    best = hung.finding.best
    return None if best is None else best.metrics[hung.board.official]


def _marked(scale: Scale, hung: Hung) -> Whisker | None:
    """Return the interval of a board's first row, with the board's own mark."""
    return scale.marking(chance_level(hung.board)).whisker(_best(hung))


def _figure(result: Result, metric: str) -> Figure | None:
    return result.row.metrics.get(metric)


def _json(value: Any) -> bytes:
    """Write JSON as the record store does, so that a record is the same file in both places."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
