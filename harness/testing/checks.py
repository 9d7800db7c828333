"""The checks: each takes a trial and objects where the method does not behave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.method import Access, Task
from harness.running.engine import Answer
from harness.running.records import Status
from harness.running.watching import CHANGE
from harness.scoring.metrics import Metric, attribution_metrics, membership_metrics
from harness.testing.data import asking, draw, one_used, two_generated, with_flat_images
from harness.testing.report import Outcome
from harness.testing.trial import Run, Trial

# Two runs that differ in which questions are asked together may differ by rounding: by a thousandth
# of the standard deviation of the scores, or by a part in 100,000 of the score itself.
OF_DEVIATION = 1e-3
OF_SCORE = 1e-5
LOG_LINES = 12  # of a worker, shown where it ended badly; a stack begins with its last call


class CheckError(Exception):
    """What a check has to say against a method, or why it does not apply."""

    def __init__(self, text: str, outcome: Outcome = Outcome.FAILED) -> None:
        super().__init__(text)
        self.outcome = outcome


def runs(trial: Trial) -> None:
    """It fits and answers the small data."""
    answer = trial.plain.answer
    if answer.scores is None:
        raise CheckError(_ending(answer))


def access(trial: Trial) -> None:
    """It asks for nothing that its access does not declare."""
    reason = trial.plain.answer.reason or ""
    if reason.startswith("AccessError"):
        declared = ", ".join(trial.card.access) or "nothing"
        raise CheckError(f"{reason}; declared: {declared}")
    _scores(trial)


def scores(trial: Trial) -> None:
    """One finite score per question; attribution: one per question and class."""
    given, wanted = _scores(trial), _wanted_shape(trial)
    if given.shape != wanted:
        raise CheckError(f"scores have the shape {given.shape}, expected {wanted}")
    wrong = int((~np.isfinite(given)).sum())
    if wrong:
        raise CheckError(f"{wrong} of {given.size} scores are not finite")


def labels(trial: Trial) -> None:
    """Labels are 0 or 1, one per question; attribution: the index of a class."""
    _scores(trial)
    given, (asked, *_) = trial.plain.answer.labels, _wanted_shape(trial)
    assert given is not None
    classes = len(trial.plain.case.classes)
    if given.shape != (asked,):
        raise CheckError(f"labels have the shape {given.shape}, expected {(asked,)}")
    strange = sorted(set(given.tolist()) - set(range(classes)))
    if strange:
        shown = ", ".join(map(repr, strange[:5]))
        raise CheckError(f"labels must be 0 to {classes - 1}; there are {shown}")


def direction(trial: Trial) -> None:
    """What is planted is not found the wrong way round: higher means used, 1 means used.

    The figure must not lie significantly below chance on two draws of the data.
    """
    if trial.card.control:
        raise CheckError("a control need not detect anything", Outcome.EXEMPT)
    first = _below_chance(trial, _plain(trial))
    if not first:
        return
    second = trial.run("a second draw", draw(trial.task, 1))
    _well(second, "on a second draw of the data")
    both = [name for name in first if name in _below_chance(trial, second)]
    if both:
        found = "; ".join(first[name] for name in both)
        raise CheckError(f"below chance where every member has a copy in the pools: {found}")


def seed(trial: Trial) -> None:
    """The same seed gives the same answers, to the bit."""
    plain = _plain(trial)
    again = trial.run("again", trial.sets, renewed=True)
    _well(again, "the second time")
    _compare(plain, again, range(len(plain.case.asked)), "with the same seed", exact=True)


def order(trial: Trial) -> None:
    """Other orders of the questions give the same answers in that order."""
    plain = _plain(trial)
    rows = np.random.default_rng(0).permutation(len(plain.case.asked))
    turned = trial.run("reordered", asking(trial.sets, trial.task, rows))
    _well(turned, "with the questions in another order")
    _compare(plain, turned, rows, "with the questions in another order")


def alone(trial: Trial) -> None:
    """A question asked alone gets the same answer, unless access is transductive."""
    if Access.TRANSDUCTIVE in trial.card.access:
        raise CheckError("its access is transductive", Outcome.EXEMPT)
    plain = _plain(trial)
    for rank in (0.75, 0.25):  # neither the best, nor the worst, nor the middle one
        row = _at(plain, rank)
        single = trial.run(f"alone at {rank}", asking(trial.sets, trial.task, [row]))
        _well(single, "with one question asked alone")
        _compare(plain, single, [row], "asked alone (else declare Access.TRANSDUCTIVE)")


def one_used_image(trial: Trial) -> None:
    """It survives a single used image; attribution: a single real image of one class."""
    _needs(trial, Access.LABELS)
    _plain(trial)
    _well(trial.run("one used", one_used(trial.sets, trial.task)), "with one used image")


def two_generated_images(trial: Trial) -> None:
    """It survives pools of two generated images."""
    _needs(trial, Access.POOL)
    _plain(trial)
    small = two_generated(trial.sets, trial.task)
    _well(trial.run("two generated", small), "with two generated images")


def flat_images(trial: Trial) -> None:
    """It survives constant images among the others: black, grey and white ones in every set."""
    _plain(trial)
    _well(trial.run("flat", with_flat_images(trial.sets)), "with constant images")


def threads(trial: Trial) -> None:
    """It works with one thread and with two."""
    _plain(trial)
    _well(trial.run("two threads", trial.sets, threads=2), "with two threads")


def inputs(trial: Trial) -> None:
    """It leaves images and features as they were given."""
    _ = trial.plain
    for what, run in trial.runs.items():
        if run.changed:
            raise CheckError(f"the run {what!r} changed the pixels of {', '.join(run.changed)}")
        reason = run.answer.reason or ""
        if run.answer.status is Status.REFUSED and CHANGE[0] in reason:
            raise CheckError(reason)
        if "read-only" in reason:
            raise CheckError(f"writes into images or features; work on a copy of them ({reason})")
    _scores(trial)


def files(trial: Trial) -> None:
    """It tries nothing outside its own folders, as far as Python's own functions go."""
    _ = trial.plain
    for run in trial.runs.values():
        if run.answer.status is Status.REFUSED:
            raise CheckError(run.answer.reason or "it was refused")
    _scores(trial)


Check = Callable[[Trial], None]
_ALL: tuple[Check, ...] = (
    runs, access, scores, labels, direction, seed, order, alone, one_used_image,
    two_generated_images, flat_images, threads, inputs, files,
)  # fmt: skip
CHECKS: dict[str, Check] = {check.__name__.replace("_", "-"): check for check in _ALL}


def _ending(answer: Answer) -> str:
    """Say how a run ended, with the last lines of its log."""
    text = answer.reason or "it did not answer"
    lines = [line for line in answer.log if line.strip()][-LOG_LINES:]
    return "\n".join([text, *(f"    | {line}" for line in lines)])


def _well(run: Run, when: str) -> None:
    """Object unless a run ended well."""
    if run.answer.status is not Status.OK:
        raise CheckError(f"{when}: {_ending(run.answer)}")


def _plain(trial: Trial) -> Run:
    """Return the plain run, or leave the check unreached where that did not end well."""
    if trial.plain.answer.status is not Status.OK:
        raise CheckError(f"the plain run: {_ending(trial.plain.answer)}", Outcome.NOT_REACHED)
    return trial.plain


def _scores(trial: Trial) -> NDArray[np.float64]:
    """Return the scores of the plain run, which may be wrong ones."""
    given = trial.plain.answer.scores
    if given is None:
        raise CheckError(f"the plain run: {_ending(trial.plain.answer)}", Outcome.NOT_REACHED)
    return given


def _needs(trial: Trial, access: Access) -> None:
    """Let off a method that is not given what the check varies."""
    if access not in trial.card.access:
        raise CheckError(f"its access does not declare {access.value}", Outcome.EXEMPT)


def _wanted_shape(trial: Trial) -> tuple[int, ...]:
    case = trial.plain.case
    asked = len(case.asked)
    return (asked,) if trial.task is Task.MEMBERSHIP else (asked, len(case.classes))


def _below_chance(trial: Trial, run: Run) -> dict[str, str]:
    """Return the figures whose interval lies below chance, in words, by name."""
    case, answer = run.case, run.answer
    truth, groups = case.truth, case.question_groups
    assert answer.labels is not None
    assert answer.scores is not None
    if trial.task is Task.ATTRIBUTION:
        classes = len(case.classes)
        chosen = {
            "labels": (answer.labels, "labels"),
            "scores": (answer.scores.argmax(1), "the largest scores"),
        }
        return {
            name: f"accuracy of {what} {_words(metric)} (chance is {1 / classes:.2f})"
            for name, (given, what) in chosen.items()
            if _lies_below(
                metric := attribution_metrics(truth, given, groups, classes)["accuracy"],
                1 / classes,
            )
        }
    metrics = membership_metrics(truth, answer.labels, answer.scores, groups)
    below = {}
    if _lies_below(metrics["auc"], 0.5):
        below["auc"] = f"AUC {_words(metrics['auc'])}; scores must be higher for used images"
    if _lies_below(metrics["kappa"], 0.0):
        below["kappa"] = f"kappa {_words(metrics['kappa'])}; labels must be 1 for used images"
    return below


def _lies_below(metric: Metric, chance: float) -> bool:
    return metric.high is not None and metric.high < chance


def _words(metric: Metric) -> str:
    return f"{metric.value:.2f} [{metric.low:.2f}, {metric.high:.2f}]"


def _at(run: Run, rank: float) -> int:
    """Return the question at a place between the lowest (0) and the highest score (1)."""
    assert run.answer.scores is not None
    ordered = np.argsort(run.answer.scores.reshape(len(run.case.asked), -1)[:, 0], kind="stable")
    return int(ordered[int(rank * (len(ordered) - 1))])


def _compare(
    plain: Run, other: Run, rows: Sequence[int] | NDArray[Any], when: str, *, exact: bool = False
) -> None:
    """Object where ``other`` answers the questions ``rows`` of the plain run differently."""
    first, second = plain.answer, other.answer
    assert first.scores is not None
    assert second.scores is not None
    assert first.labels is not None
    expected = first.scores[np.asarray(rows)]
    largest = np.maximum(OF_DEVIATION * first.scores.std(), OF_SCORE * np.abs(expected))
    off = np.abs(second.scores - expected) > (0 if exact else largest)
    if off.any():
        at = tuple(np.argwhere(off)[0])
        pair = f"{expected[at]:.6g} became {second.scores[at]:.6g}"
        raise CheckError(f"{when} {int(off.sum())} of {off.size} scores differ; {pair}")
    differ = int((second.labels != first.labels[np.asarray(rows)]).sum())
    if differ:
        raise CheckError(f"{when} {differ} of {len(rows)} labels differ, and no score does")
