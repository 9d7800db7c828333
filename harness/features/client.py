"""The parent's end of the feature service."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.channel import Channel, ChannelClosedError
from harness.errors import BenchError
from harness.features.weights import Used, Weights
from harness.files import cache_dir

Listener = Callable[[dict[str, Any]], None]  # told of progress and log messages


@dataclass(frozen=True)
class Features:
    """Where a set's features lie, and what it cost to have them."""

    paths: tuple[Path, ...]  # a shard for each layer that was asked for
    used: Used
    hits: int
    misses: int


@dataclass(frozen=True)
class Export:
    """A network with its weights, for who builds and trains it elsewhere."""

    description: dict[str, Any]  # what harness.learning.Backbone is made from
    weights: Weights


class FeatureError(Exception):
    """The service could not answer."""


class FeatureClient:
    """A running feature service; use as a context manager."""

    def __init__(
        self, device: str, precision: str, threads: int, weights: Mapping[str, Path]
    ) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "harness.features.service", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=2,
            env={**os.environ, "PYTHONWARNINGS": "ignore"}, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._channel = Channel(ours)
        self._channel.send(
            {
                "device": device,
                "precision": precision,
                "threads": threads,
                "store": str(cache_dir() / "features"),
                "weights": {name: str(path) for name, path in weights.items()},
            }
        )

    @property
    def pid(self) -> int:
        """The process of the service, for whoever watches its memory."""
        return self._process.pid

    def fetch(self, backbone: str) -> Weights:
        """Have the weights of a backbone on this machine.

        Raises:
            BenchError: they cannot be had.
        """
        return Weights(**self._ask({"do": "fetch", "backbone": backbone})["weights"])

    def open(self, case: str, sets: Mapping[str, tuple[Path, tuple[str, ...]]]) -> None:
        """Name the image sets (pixels as .npy, digests) that requests for ``case`` may refer to."""
        # One text for each set: a list of thousands is slow to write and to read.
        described = {n: {"path": str(p), "digests": "".join(d)} for n, (p, d) in sets.items()}
        self._ask({"do": "open", "case": case, "sets": described})

    def features(
        self, case: str, set_name: str, backbone: str, layers: Sequence[str], listen: Listener
    ) -> Features:
        """Return the shards with layers of one set of an open case, made in one pass.

        Raises:
            BenchError: the backbone or a layer is unknown, or the weights cannot be had.
            FeatureError: the extraction failed.
        """
        request = {"case": case, "set_name": set_name, "backbone": backbone}
        answer = self._ask({"do": "features", **request, "layers": list(layers)}, listen)
        paths = tuple(map(Path, answer["paths"]))
        used = Used(Weights(**answer["weights"]), **answer["choice"])
        return Features(paths, used, answer["hits"], answer["misses"])

    def network(self, backbone: str) -> Export:
        """Have a backbone's network written to a file that anyone may map.

        Raises:
            BenchError: the backbone is unknown or no network, or its weights cannot be had.
        """
        answer = self._ask({"do": "network", "backbone": backbone})
        return Export(answer["network"], Weights(**answer["weights"]))

    def close(self) -> None:
        """End the service."""
        self._channel.close()
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> FeatureClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], listen: Listener | None = None) -> dict[str, Any]:
        try:
            self._channel.send(request)
            while message := self._channel.receive():
                if "answered" in message:
                    break
                if listen:
                    listen(message)
        except ChannelClosedError:
            code = self._process.wait()
            raise FeatureError(f"the feature service ended (exit {code})") from None
        if message is None or "error" in message:
            error = message["error"] if message else "no answer"
            raise BenchError(error) if message and message["input"] else FeatureError(error)
        return message
