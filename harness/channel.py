"""The only way two processes of a run talk: one JSON object a line over a socket pair.

JSON and not pickle, because what a worker says is data and must never become code.
"""

from __future__ import annotations

import json
import select
import socket
from typing import Any

MESSAGE_BYTES = 256 * 2**20  # no honest message is longer: 25,000 answers with scores are 3 MB


class ChannelClosedError(Exception):
    """The other side has gone, or said something that is no message."""


class Channel:
    """One end of a conversation."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()

    def fileno(self) -> int:
        """Return the descriptor, for ``select``."""
        return self._end.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises:
            ChannelClosedError: nobody listens any more.
        """
        try:
            self._end.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ChannelClosedError(str(error)) from None

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        """Return the next message, or ``None`` when none came within ``timeout`` seconds.

        Raises:
            ChannelClosedError: the other side closed, or sent something that is no message.
        """
        searched = 0
        while True:
            end = self._received.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._received[:end])
                del self._received[: end + 1]
                return _parse(line)
            searched = len(self._received)
            if not select.select([self._end], [], [], timeout)[0]:
                return None
            try:
                data = self._end.recv(1 << 20)
            except OSError as error:
                raise ChannelClosedError(str(error)) from None
            if not data:
                raise ChannelClosedError("the other side closed")
            self._received += data
            if len(self._received) > MESSAGE_BYTES:
                raise ChannelClosedError(f"a message of over {MESSAGE_BYTES} bytes")

    def close(self) -> None:
        """Close this end."""
        self._end.close()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        raise ChannelClosedError("a line that is not JSON") from None
    if not isinstance(message, dict):
        raise ChannelClosedError("a message that is not an object")
    return message
