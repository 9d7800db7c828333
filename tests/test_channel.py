"""What comes through a channel: the messages that its end understands, whole, and nothing else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.channel import Channel, ChannelClosedError, ProtocolError
from harness.protocol import Failed, FromWorker, Log, Predicted, Progress


@contextmanager
def ends() -> Iterator[tuple[socket.socket, Channel[Any]]]:
    """What a worker holds, and the parent's end."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, Channel(ours, FromWorker)


@given(st.lists(st.one_of(
    st.builds(Log, text=st.text()),
    st.builds(Progress, what=st.text(), done=st.integers(0, 99), of=st.none() | st.integers(0, 99)),
    st.builds(Failed, reason=st.text()),
)))  # fmt: skip
def test_messages_arrive_whole_and_in_order(messages):
    with ends() as (theirs, ours):
        sender = Channel[Any](theirs, FromWorker)
        for message in messages:
            sender.send(message)
        assert [ours.receive() for _ in messages] == messages


@pytest.mark.parametrize("scores", [[0.5, float("nan")], [[1.0, float("inf")], [0.0, -1.0]]])
def test_numbers_that_are_not_finite_arrive_as_they_are(scores):
    sent = Predicted(scores=scores, labels=[1, 0], fit=0, score=0, peak_bytes=1)
    with ends() as (theirs, ours):
        Channel[Any](theirs, FromWorker).send(sent)
        assert str(ours.receive().scores) == str(scores)


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b'{"say": "job"}',
        b'{"say": "log"}',
        b'{"say": "log", "text": "a", "b": 1}',
    ],
)
def test_what_is_no_message_is_refused(line):
    with ends() as (theirs, ours):
        theirs.sendall(line + b"\n")
        with pytest.raises(ProtocolError):
            ours.receive()


def test_a_closed_end_is_told_from_a_wrong_word():
    with ends() as (theirs, ours):
        theirs.sendall(b'{"say": "log", ')
        theirs.close()
        with pytest.raises(ChannelClosedError):
            ours.receive()


def test_half_a_message_is_waited_for_no_longer_than_asked_and_not_lost():
    with ends() as (theirs, ours):
        for part in (b'{"say": "log", ', b'"text": '):
            theirs.sendall(part)
            with pytest.raises(TimeoutError):
                ours.receive(within=0.01)
        theirs.sendall(b'"whole"}\n')
        assert ours.receive(within=60) == Log(text="whole")


def test_an_end_that_takes_nothing_counts_as_gone():
    theirs, ours = socket.socketpair()
    with theirs, ours, pytest.raises(ChannelClosedError):
        Channel[Any](ours, FromWorker, patience=0.01).send(Log(text="x" * 10_000_000))
