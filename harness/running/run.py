"""Running a plan: each cell is answered, scored and recorded; one that fails spares the rest."""

from __future__ import annotations

import csv
import hashlib
import io
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from harness import __version__
from harness.datasets.cases import Case, make_cases, with_auxiliary, with_null_pool
from harness.datasets.dataset import Dataset
from harness.kernel import protection
from harness.method import Access, Task
from harness.running.engine import Answer, Engine, Hearing, Settings
from harness.running.local import LocalEngine
from harness.running.looks import count_look
from harness.running.plan import Cell, Plan
from harness.running.records import (
    SCHEMA,
    CacheFacts,
    DatasetFacts,
    Figure,
    MethodFacts,
    PredictionFacts,
    Record,
    RecordStore,
    Status,
    WeightFacts,
    with_ending,
)
from harness.scoring.metrics import Metric, attribution_metrics, auc_metric, membership_metrics
from harness.weights import Used

NULL_AUC = "auc_null_pool"  # the method's AUC with the pools of a generator that saw no question


class Reporter(Hearing, Protocol):
    """Whoever is told how the run goes."""

    def begin(self, plan: Plan, store: RecordStore) -> None:
        """The plan is about to be run, and its records written to the store."""

    def finished(self, cell: Cell, record: Record) -> None:
        """A cell has its record."""


def run_plan(
    plan: Plan,
    store: RecordStore,
    engine: Engine,
    reporter: Reporter,
    required: Iterable[str] = (),
) -> list[Record]:
    """Run the unfinished cells of a plan and write their records.

    Args:
        plan: what to do.
        store: where the records go.
        engine: has the cells answered; it is closed at the end.
        reporter: told of every step.
        required: backbones without whose weights nothing is started at all.

    Returns:
        The new records, in the order in which they were made.

    Raises:
        BenchError: a case cannot be made, or the weights of a required backbone cannot be had.
        OSError: the records or the cache cannot be written.
    """
    records = []
    with engine:
        engine.warm_up(plan.todo)
        for backbone in required:
            engine.fetch(backbone)
        store.check()
        reporter.begin(plan, store)
        for cell, answers in engine.answers(plan, asked_of, reporter):
            record = record_cell(cell, answers, engine.settings, store)
            reporter.finished(cell, record)
            records.append(record)
    return records


def record_cell(
    cell: Cell, answers: Sequence[Answer], settings: Settings, store: RecordStore
) -> Record:
    """Score and record one cell; a method that failed gives a record that says so."""
    record, predictions = _scored(cell, answers, settings, store)
    count_look(cell.stem(store).parent, record)
    store.write(cell.stem(store), record, predictions)
    return record


def _scored(
    cell: Cell, answers: Sequence[Answer], settings: Settings, store: RecordStore
) -> tuple[Record, str | None]:
    """Return the record of a cell, and the content of the file of answers that it names."""
    record = _record(cell, settings, answers)
    if answers[-1].status is not Status.OK:
        return record, None
    cases = _cases(cell)
    given, nulls = answers[: len(cases)], answers[len(cases) :]
    text = _predictions(cell, cases, given)
    facts = PredictionFacts(
        path=with_ending(cell.stem(store), ".csv").name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    metrics = _metrics(cell, cases, given, nulls)
    return record.model_copy(update={"metrics": metrics, "predictions": facts}), text


def answer_submission(cell: Cell, engine: LocalEngine, reporter: Reporter) -> tuple[Case, Answer]:
    """Answer the questions of a data set whose truth may be secret."""
    [case] = _cases(cell)
    return case, engine.run(cell, case, reporter.progress)


def _cases(cell: Cell) -> list[Case]:
    cases = make_cases(cell.dataset, cell.protocol, cell.seed)
    if cell.auxiliary is None:
        return cases
    return [with_auxiliary(case, cell.auxiliary) for case in cases]


def asked_of(cell: Cell) -> list[Case]:
    """Return the cases of a cell, and then each with the null pool in place of its pools.

    The latter only of a method that uses pools, and where there is such a pool.
    """
    cases = _cases(cell)
    if Access.POOL not in cell.card.access:
        return cases
    nulls = (with_null_pool(case, cell.dataset) for case in cases)
    return [*cases, *(null for null in nulls if null is not None)]


def _metrics(
    cell: Cell, cases: Sequence[Case], answers: Sequence[Answer], nulls: Sequence[Answer]
) -> dict[str, Figure]:
    truth = np.concatenate([case.truth for case in cases])
    groups = np.concatenate([case.question_groups for case in cases])
    labels = np.concatenate([answer.labels for answer in answers if answer.labels is not None])
    folds = np.repeat(np.arange(len(cases)), [len(case.asked) for case in cases])
    by_fold = folds if len(cases) > 1 else None
    if cell.task is Task.ATTRIBUTION:
        classes = len(cell.dataset.classes)
        return _figures(attribution_metrics(truth, labels, groups, classes))
    apart = np.concatenate([case.apart for case in cases])
    metrics = membership_metrics(truth, labels, _scores(answers), groups, by_fold, apart=apart)
    if nulls:
        kept, null_scores = ~apart, _scores(nulls)
        null_folds = None if by_fold is None else by_fold[kept]
        metrics[NULL_AUC] = auc_metric(truth[kept], null_scores[kept], groups[kept], null_folds)
    return _figures(metrics)


def _scores(answers: Sequence[Answer]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.concatenate([answer.scores for answer in answers if answer.scores is not None])


def _figures(metrics: Mapping[str, Metric]) -> dict[str, Figure]:
    return {name: Figure(**asdict(metric)) for name, metric in metrics.items()}


def _predictions(cell: Cell, cases: Sequence[Case], answers: Sequence[Answer]) -> str:
    """Return the answers as CSV: image, label, scores and the case."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    classes = cell.dataset.classes
    columns = ["score"] if cell.task is Task.MEMBERSHIP else [f"score_{name}" for name in classes]
    writer.writerow(["image", "label", *columns, "case"])
    for case, answer in zip(cases, answers, strict=True):
        assert answer.scores is not None
        assert answer.labels is not None
        scores = answer.scores.reshape(len(answer.labels), -1).tolist()
        rows = zip(case.asked.ids, answer.labels.tolist(), scores, strict=True)
        writer.writerows(
            [image, label, *map(repr, score), case.name] for image, label, score in rows
        )
    return text.getvalue()


def _record(cell: Cell, settings: Settings, answers: Sequence[Answer]) -> Record:
    last = answers[-1]
    used = {u.weights.backbone: u for answer in answers for u in answer.backbones}
    return Record(
        schema=SCHEMA,
        key=cell.key,
        task=cell.task,
        method=MethodFacts(
            name=cell.card.name,
            family=cell.card.family,
            version=cell.card.version,
            source_digest=cell.card.source_digest,
            parameters=cell.parameters,
            changed=cell.changed,
            budget=cell.budget,
            access=cell.card.access,
            control=cell.card.control,
            stands_for=cell.stands_for,
        ),
        dataset=_facts(cell.dataset),
        auxiliary=None if cell.auxiliary is None else _facts(cell.auxiliary),
        protocol=cell.protocol,
        seed=cell.seed,
        status=last.status,
        reason=last.reason,
        log=tuple(dict.fromkeys(line for answer in answers for line in answer.log)),
        weights=tuple(
            WeightFacts(**asdict(used[name].weights), precision=used[name].precision)
            for name in sorted(used)
        ),
        environment={**_environment(settings, used), **last.machine},
        timing={
            name: round(sum(answer.seconds.get(name, 0.0) for answer in answers), 3)
            for name in ("seconds", "fit", "score")
        },
        cache=CacheFacts(
            hits=sum(answer.hits for answer in answers),
            misses=sum(answer.misses for answer in answers),
            answers=sum(answer.repeated for answer in answers),
        ),
    )


def _facts(dataset: Dataset) -> DatasetFacts:
    return DatasetFacts(name=dataset.entry.name, fingerprint=dataset.fingerprint)


def _environment(settings: Settings, used: Mapping[str, Used]) -> dict[str, Any]:
    chosen = {name: f"{u.precision}: {u.reason}" for name, u in sorted(used.items()) if u.reason}
    return {
        "harness": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "timm": version("timm"),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "device": settings.device,
        "protection": protection(settings.device),
        "precision": settings.precision,
        **({"precision_chosen": chosen} if chosen else {}),
        "threads": settings.threads,
        **{f"limit_{name}": value for name, value in asdict(settings.limits).items() if value},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
