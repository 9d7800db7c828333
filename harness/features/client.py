"""The parent's end of the feature service."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from harness.channel import Channel, ChannelClosedError, ProtocolError
from harness.errors import BenchError, StorageError
from harness.files import cache_dir
from harness.protocol import (
    Done,
    Extract,
    Extracted,
    Failed,
    Fetch,
    Fetched,
    FromService,
    Lack,
    Lacking,
    Lend,
    Lent,
    Log,
    Message,
    NoRoom,
    Open,
    Piece,
    Progress,
    Service,
    StoredSet,
)
from harness.weights import Weights

Listener = Callable[[Progress | Log], None]
Heard = Progress | Log | Fetched | Done | Lacking | Extracted | Lent | Failed | NoRoom
T = TypeVar("T", bound=Message)


class FeatureError(Exception):
    """The service could not answer."""


class Features(Protocol):
    """Whoever gives features of an open case: a service beside us, or one on another machine."""

    @property
    def ended(self) -> bool:
        """Whether it is no more."""

    def fetch(self, backbone: str) -> object:
        """See :meth:`FeatureClient.fetch`."""

    def open(self, sets: Mapping[str, tuple[Path, tuple[str, ...]]]) -> None:
        """See :meth:`FeatureClient.open`."""

    def features(
        self, set_name: str, backbone: str, layers: Sequence[str], listen: Listener = ...
    ) -> Extracted:
        """See :meth:`FeatureClient.features`."""

    def network(self, backbone: str) -> Lent:
        """See :meth:`FeatureClient.network`."""

    def close(self) -> None:
        """End it, if it is ours."""


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
        self._channel = Channel[Heard](ours, FromService)
        self._channel.send(
            Service(
                device=device,
                precision=precision,
                threads=threads,
                store=cache_dir() / "features",
                weights=dict(weights),
            )
        )

    @property
    def pid(self) -> int:
        """The process of the service, for whoever watches its memory."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the service is no more."""
        return self._process.poll() is not None

    def fetch(self, backbone: str) -> Weights:
        """Have the weights of a backbone on this machine.

        Raises:
            BenchError: they cannot be had.
        """
        return self._ask(Fetch(backbone=backbone), Fetched).weights

    def open(self, sets: Mapping[str, tuple[Path, tuple[str, ...]]]) -> None:
        """Open a case in place of the one before: its image sets (pixels as .npy, digests)."""
        described = {
            name: StoredSet(path=path, digests="".join(digests))
            for name, (path, digests) in sets.items()
        }
        self._ask(Open(sets=described), Done)

    def features(
        self, set_name: str, backbone: str, layers: Sequence[str], listen: Listener = lambda _: None
    ) -> Extracted:
        """Return the shards with layers of one set of the open case, made in one pass.

        Raises:
            BenchError: the backbone or a layer is unknown, or the weights cannot be had.
            FeatureError: the extraction failed.
            StorageError: the store does not take the features.
        """
        wanted = Extract(set_name=set_name, backbone=backbone, layers=tuple(layers))
        return self._ask(wanted, Extracted, listen)

    def lacking(self, backbone: str, layers: Sequence[str]) -> dict[str, list[int]]:
        """Return by set the positions of images of the open case without such features.

        Raises:
            BenchError, FeatureError, StorageError: as :meth:`features`.
        """
        return self._ask(Lack(backbone=backbone, layers=tuple(layers)), Lacking).rows

    def piece(self, backbone: str, layers: Sequence[str]) -> Extracted:
        """Have layers of the one open set stored as a part of the set that it is a piece of.

        Raises:
            BenchError, FeatureError, StorageError: as :meth:`features`.
        """
        return self._ask(Piece(backbone=backbone, layers=tuple(layers)), Extracted)

    def network(self, backbone: str) -> Lent:
        """Have a backbone's network written to a file that anyone may map.

        Raises:
            BenchError: the backbone is unknown or no network, or its weights cannot be had.
        """
        return self._ask(Lend(backbone=backbone), Lent)

    def close(self) -> None:
        """End the service."""
        self._channel.close()
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> FeatureClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: Message, wanted: type[T], listen: Listener = lambda _: None) -> T:
        try:
            self._channel.send(request)
            while isinstance(answer := self._channel.receive(), Progress | Log):
                listen(answer)
        except (ChannelClosedError, ProtocolError) as error:
            code = self._process.wait()
            raise FeatureError(f"the feature service ended (exit {code}): {error}") from None
        if isinstance(answer, NoRoom):
            raise StorageError(answer.reason)
        if isinstance(answer, Failed):
            raise BenchError(answer.reason) if answer.input else FeatureError(answer.reason)
        assert isinstance(answer, wanted)
        return answer
