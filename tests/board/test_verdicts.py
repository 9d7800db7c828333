"""Published runs on a board of the very images, and what a re-implementation says of its own."""

from dataclasses import replace

import pytest

from harness.board.board import make_board
from harness.board.markdown import board_markdown
from harness.board.published import read_published
from harness.board.verdicts import Verdict, judge, published_figures, with_published
from harness.board.wording import rank_text
from harness.running.records import Figure
from world import record

TABLE = ("2025-membership",)


@pytest.fixture(scope="module")
def printed():
    """The best official run of 2025: kappa 0.148 of 500 images."""
    [found] = [run for run in read_published() if run.run == "1878"]
    return found


def board(kappa: float, half: float = 0.08, method: str = "vit-autoencoder"):
    made = record("set", method, kappa)
    own = Figure(value=kappa, low=kappa - half, high=kappa + half, n=500, groups=500)
    return make_board([made.model_copy(update={"metrics": {**made.metrics, "kappa": own}})])


def verdict(run, *given):
    [told] = judge([run], [(board(*given), TABLE)])
    return told.verdict


def test_the_interval_of_a_published_run_comes_from_its_counts(printed):
    figures = published_figures(printed)
    assert figures["kappa"].value == pytest.approx(0.148)
    assert 0.05 < figures["kappa"].low < 0.08
    assert figures["kappa"].n == 500
    assert figures["accuracy"].value == pytest.approx(0.574)
    assert "auc" not in figures, "labels alone have none"


def test_what_is_printed_without_counts_has_no_interval():
    [attribution] = [run for run in read_published() if run.run == "1396"]
    accuracy = published_figures(attribution)["accuracy"]
    assert (accuracy.value, accuracy.low) == (0.9904, None)
    assert "counts" in accuracy.note


def test_published_runs_stand_on_a_board_of_their_images_alone(printed):
    ours = board(0.1)
    assert with_published(ours, [printed], ()) is ours
    assert with_published(ours, [printed], ("2023-membership",)) is ours
    both = with_published(ours, [printed], TABLE)
    assert [rank_text(row) for row in both.rows] == ["1", "published"]
    assert both.ranked == ours.ranked, "what others printed takes nobody's rank"
    assert "| published | Neural Nexus, run 1878 (2025) | 0.148 [" in board_markdown(both)


@pytest.mark.parametrize(
    ("kappa", "half", "said"),
    [
        (0.15, 0.08, Verdict.AGREES),
        (0.0, 0.08, Verdict.DIFFERS),
        (0.6, 0.08, Verdict.DIFFERS),
        (0.05, 0.09, Verdict.AGREES),
    ],
)
def test_a_reimplementation_is_told_from_its_run_by_the_interval_of_the_difference(
    printed, kappa, half, said
):
    assert verdict(printed, kappa, half) is said


def test_two_at_chance_agree_about_nothing(printed):
    guessed = replace(printed, tp=130, fp=125, tn=125, fn=120, kappa="0.02")
    assert verdict(guessed, 0.0, 0.08) is Verdict.UNINFORMATIVE


def test_on_other_data_nothing_is_compared(printed):
    for tables, method in (((), "vit-autoencoder"), (TABLE, "another")):
        [told] = judge([printed], [(board(0.15, method=method), tables)])
        assert (told.verdict, told.row) == (Verdict.NOT_COMPARABLE, None)


def test_a_row_without_interval_cannot_tell(printed):
    made = record("set", "vit-autoencoder", 0.15)
    few = Figure(value=0.15, low=None, high=None, n=20, groups=6, note="too few")
    ours = make_board([made.model_copy(update={"metrics": {"kappa": few}})])
    [told] = judge([printed], [(ours, TABLE)])
    assert told.verdict is Verdict.UNTOLD


def test_every_published_run_gets_a_verdict():
    judged = list(judge(read_published(), []))
    assert len(judged) == len(read_published())
    assert {told.verdict for told in judged} == {Verdict.NOT_COMPARABLE}
