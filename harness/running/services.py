"""Feature services on the nodes of a Ray cluster, and the features that a cell has of them.

There is one service a device, or one a node where the device is the CPU. Where all nodes see the
store, a cell asks the service of its own node; else there is one store, the driver's, and what a
worker maps is fetched from there onto its node. A pass over many images is shared out: the store
says which it lacks, every service computes pieces of them, and the store makes them one shard.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import RayTaskError

from harness.datasets.pack import write_images
from harness.features.client import FeatureClient, Listener
from harness.files import atomic, cache_dir
from harness.protocol import Extracted, Lent, Log, Progress
from harness.running.engine import Settings

PIECE = 512  # images of a set that one service computes at a time
AHEAD = 2  # pieces that wait at each service, so that none is idle and no pass fills the memory

Sets = Mapping[str, tuple[Path, tuple[str, ...]]]  # pixels as .npy and digests, by name


class FeatureActor:
    """One feature service, as Ray runs it.

    Args:
        settings: how features are computed.
        gpu: the number of its device; ``None`` for the CPU.
    """

    def __init__(self, settings: Settings, gpu: int | None) -> None:
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray's notion; the settings say how many
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
        self._settings = settings
        self._service: FeatureClient | None = None

    def fetch(self, backbone: str) -> None:
        """See :meth:`FeatureClient.fetch`."""
        self._started().fetch(backbone)

    def network(self, backbone: str) -> Lent:
        """See :meth:`FeatureClient.network`; the file lies on this node."""
        return self._started().network(backbone)

    def lacking(self, sets: Sets, backbone: str, layers: Sequence[str]) -> dict[str, list[int]]:
        """See :meth:`FeatureClient.lacking`."""
        service = self._started()
        service.open(sets)
        return service.lacking(backbone, layers)

    def features(self, sets: Sets, name: str, backbone: str, layers: Sequence[str]) -> Any:
        """Return what :meth:`FeatureClient.features` does, and the lines that were said."""
        said: list[Progress | Log] = []
        service = self._started()
        service.open(sets)
        found = service.features(name, backbone, layers, said.append)
        return found, [event for event in said if not isinstance(event, Progress)]

    def compute(
        self,
        pixels: NDArray[np.uint8],
        digests: tuple[str, ...],
        backbone: str,
        layers: Sequence[str],
        *,
        carry: bool,
    ) -> list[tuple[str, NDArray[np.uint8]]]:
        """Store the features of a piece of a set, (N, H, W), if they are not stored already.

        Returns:
            With ``carry`` the files and their bytes: the asking store is elsewhere.
        """
        service = self._started()
        with tempfile.TemporaryDirectory(prefix="piece-") as folder:
            path = Path(folder, "pixels.npy")
            write_images(path, pixels)
            service.open({"piece": (path, digests)})
            if not carry and not any(service.lacking(backbone, layers).values()):
                return []
            paths = service.piece(backbone, layers).paths
        return [(_within(path), self.read(_within(path))) for path in paths] if carry else []

    def read(self, shard: str) -> NDArray[np.uint8]:
        """Return the bytes of a file of this node's store."""
        return np.fromfile(cache_dir() / "features" / shard, np.uint8)

    def take(self, shards: Sequence[tuple[str, NDArray[np.uint8]]]) -> None:
        """Put files of another store into this node's."""
        for shard, content in shards:
            _put(shard, content)

    def _started(self) -> FeatureClient:
        if self._service is None or self._service.ended:
            s = self._settings
            self._service = FeatureClient(s.device, s.precision, s.threads, s.weights)
        return self._service


@dataclass(frozen=True)
class Services:
    """The services of a cluster."""

    by_node: Mapping[str, Sequence[Any]]  # handles of actors
    home: str | None  # the node with the only store; None: every node sees it

    @property
    def every(self) -> list[Any]:
        """All of them, in an order that is the same on every node."""
        return [one for node in sorted(self.by_node) for one in self.by_node[node]]

    def of(self, node: str) -> Any:
        """Return one on a node; elsewhere, where that node has none."""
        return next(iter(self.by_node.get(node, ())), None) or self.every[0]


@dataclass
class ClusterFeatures:
    """The features of the cells of one process; see :class:`harness.features.client.Features`."""

    services: Services
    elsewhere: dict[Path, Path] = field(default_factory=dict)  # pixels here → where the store is
    ended: bool = False
    _sets: Sets = field(default_factory=dict)
    _whole: set[tuple[str, str]] = field(default_factory=set)  # backbone and layer

    def fetch(self, backbone: str) -> None:
        """See :meth:`FeatureClient.fetch`."""
        asked(self._near().fetch.remote(backbone))

    def network(self, backbone: str) -> Lent:
        """See :meth:`FeatureClient.network`."""
        lent: Lent = asked(self._near().network.remote(backbone))
        return lent

    def open(self, sets: Sets) -> None:
        """See :meth:`FeatureClient.open`."""
        self._sets, self._whole = sets, set()

    def features(
        self, set_name: str, backbone: str, layers: Sequence[str], listen: Listener = lambda _: None
    ) -> Extracted:
        """See :meth:`FeatureClient.features`."""
        store = self._store()
        there = {n: (self.elsewhere.get(p, p), digests) for n, (p, digests) in self._sets.items()}
        sets, shared_out = ray.put(there), 0
        first = not self._whole.issuperset((backbone, layer) for layer in layers)
        if first:
            lacking = asked(store.lacking.remote(sets, backbone, layers))
            if sum(map(len, lacking.values())) > PIECE:
                shared_out = sum(map(len, lacking.values())) * len(set(layers))
                self._share_out(lacking, backbone, layers, listen)
            self._whole.update((backbone, layer) for layer in layers)
        found, said = asked(store.features.remote(sets, set_name, backbone, layers))
        for line in said:
            listen(line)
        return Extracted(
            paths=tuple(self._fetched(path) for path in found.paths),
            used=found.used,
            hits=max(0, found.hits - shared_out) if first else 0,
            misses=found.misses + shared_out if first else 0,
        )

    def close(self) -> None:
        """The services are those of the whole run."""

    def _near(self) -> Any:
        return self.services.of(ray.get_runtime_context().get_node_id())

    def _store(self) -> Any:
        home = self.services.home
        return self._near() if home is None else self.services.of(home)

    def _share_out(
        self,
        lacking: Mapping[str, Sequence[int]],
        backbone: str,
        layers: Sequence[str],
        listen: Listener,
    ) -> None:
        """Have every service compute pieces of what the store lacks."""
        every, of = self.services.every, sum(map(len, lacking.values()))
        under_way: dict[Any, int] = {}
        done = 0
        for number, (name, rows) in enumerate(_pieces(lacking)):
            if len(under_way) >= AHEAD * len(every):
                done += self._one_less(under_way)
                listen(Progress(what=f"features {backbone}", done=done, of=of))
            path, digests = self._sets[name]
            piece = np.load(path, mmap_mode="r")[rows], tuple(digests[row] for row in rows)
            service, carry = every[number % len(every)], self.services.home is not None
            asked_for = service.compute.remote(*piece, backbone, layers, carry=carry)
            under_way[asked_for] = len(rows)
        while under_way:
            done += self._one_less(under_way)
            listen(Progress(what=f"features {backbone}", done=done, of=of))

    def _one_less(self, under_way: dict[Any, int]) -> int:
        """Wait for one piece and return the number of its images."""
        [first], _ = ray.wait(list(under_way), num_returns=1)
        if self.services.home is None:
            asked(first)
        else:
            asked(self._store().take.remote(first))
        return under_way.pop(first)

    def _fetched(self, path: Path) -> Path:
        """Return where this node has a shard of the store."""
        if self.services.home is None:
            return path
        shard = _within(path)
        here = cache_dir() / "features" / shard
        if not here.exists():
            _put(shard, asked(self._store().read.remote(shard)))
        return here


def asked(reference: Any) -> Any:
    """Return what a remote call gives, or raise what it raised there."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        cause: BaseException = error.cause
        raise cause from None


def _pieces(lacking: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, list[int]]]:
    """Yield positions of each set in pieces that begin at the same positions for all who ask.

    So whoever asks for a set that is being computed asks the same services for the same pieces,
    which have them once the first is served.
    """
    for name, rows in lacking.items():
        pieces: dict[int, list[int]] = {}
        for row in rows:
            pieces.setdefault(row // PIECE, []).append(row)
        yield from ((name, piece) for piece in pieces.values())


def _within(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _put(shard: str, content: NDArray[np.uint8]) -> None:
    with atomic(cache_dir() / "features" / shard) as stream:
        stream.write(content.data)
