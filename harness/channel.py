"""The only way two processes of a run talk: one JSON object a line over a socket pair.

JSON and not pickle, because what a worker says is data and must never become code. What comes in is
checked to be one of the messages that this end understands (:mod:`harness.protocol`).
"""

from __future__ import annotations

import socket
import time
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

MESSAGE_BYTES = 256 * 2**20  # no honest message is longer: 25,000 answers with scores are 3 MB


class ChannelClosedError(Exception):
    """The other side has gone."""


class ProtocolError(Exception):
    """The other side said something that is no message."""


T = TypeVar("T")


class Channel(Generic[T]):
    """One end of a conversation that hears messages of type T."""

    def __init__(self, end: socket.socket, heard: Any, patience: float | None = None) -> None:
        """Take an end.

        Args:
            end: of a socket pair.
            heard: the messages that it understands: a type, or a union of several.
            patience: seconds after which a side that takes nothing more counts as gone.
        """
        self._end = end
        self._patience = patience
        self._heard: TypeAdapter[T] = TypeAdapter(heard)
        self._received = bytearray()

    def send(self, message: BaseModel) -> None:
        """Send one message.

        Raises:
            ChannelClosedError: nobody listens any more.
        """
        try:
            self._end.settimeout(self._patience)
            self._end.sendall(message.model_dump_json().encode() + b"\n")
        except OSError as error:
            raise ChannelClosedError(str(error)) from None

    def receive(self, within: float | None = None) -> T:
        """Return the next message.

        Args:
            within: seconds to wait for all of it; what has come by then is kept.

        Raises:
            ChannelClosedError: the other side closed.
            ProtocolError: it sent something else than a message that is understood here.
            TimeoutError: it did not come in time.
        """
        searched = 0
        until = None if within is None else time.monotonic() + within
        while True:
            end = self._received.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._received[:end])
                del self._received[: end + 1]
                return self._parse(line)
            searched = len(self._received)
            try:
                self._end.settimeout(None if until is None else max(0.0, until - time.monotonic()))
                data = self._end.recv(1 << 20)
            except (TimeoutError, BlockingIOError):
                raise TimeoutError("no message came in time") from None
            except OSError as error:
                raise ChannelClosedError(str(error)) from None
            if not data:
                raise ChannelClosedError("the other side closed")
            self._received += data
            if len(self._received) > MESSAGE_BYTES:
                raise ProtocolError(f"a message of over {MESSAGE_BYTES} bytes")

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _parse(self, line: bytes) -> T:
        try:
            return self._heard.validate_json(line)
        except ValidationError as error:
            flaw = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, flaw["loc"]))
            raise ProtocolError(f"{place}: {flaw['msg']}" if place else flaw["msg"]) from None
