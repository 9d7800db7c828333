"""The feature service: the only process that runs backbones and writes the store.

It is trusted and never sees a method's code. It answers, in this order of use: ``Fetch`` (weights
of a backbone), ``Open`` (the image sets of a case), ``Extract`` (shards with a set's rows, one for
each layer that is asked for; they come from one pass), ``Lend`` (a network to be trained). Where
several services share out a pass, one is asked what the store does ``Lack`` and each for a
``Piece`` of that. A case is extracted whole before any of its rows is handed out, so that the time
an answer takes tells nothing about which images were known before.

Run as ``python -m harness.features.service DESCRIPTOR`` with the descriptor of a socket.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from harness.channel import Channel, ChannelClosedError
from harness.errors import BenchError, describe, storage_error
from harness.features.backbones import Backbone, find_backbone
from harness.features.batches import Batches
from harness.features.extractor import check_layers
from harness.features.precision import Choice, load
from harness.features.store import DIGEST, Extraction, FeatureStore, Key
from harness.files import cache_dir, json_digest
from harness.machine import keep_freed_memory
from harness.plugins import load_trusted
from harness.protocol import (
    Done,
    Extract,
    Extracted,
    Failed,
    Fetch,
    Fetched,
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
    ToService,
)
from harness.weights import Used, Weights

Request = Service | Fetch | Open | Lack | Piece | Extract | Lend


@dataclass(frozen=True)
class Images:
    """One set of a case."""

    pixels: NDArray[np.uint8]  # (N, H, W), memory-mapped
    digests: NDArray[np.bytes_]  # (N,) hex, in the order of the pixels


@dataclass(frozen=True)
class Loaded:
    """A backbone that is ready."""

    weights: Weights
    batches: Batches
    choice: Choice

    def key(self, layer: str) -> Key:
        """Return the key of the store under which a layer lies."""
        extractor = self.batches.extractor
        return Key(self.weights, layer, extractor.preprocessing, extractor.precision)


@dataclass
class OpenCase:
    """A case, and what was extracted of it so far."""

    sets: dict[str, Images]
    extracted: dict[tuple[str, str], dict[str, Extraction]] = field(default_factory=dict)

    def lacks(self, backbone: str, layer: str, set_name: str) -> bool:
        """Tell whether a layer is still to be extracted; its shard may have been cleared away."""
        known = self.extracted.get((backbone, layer))
        return known is None or not known[set_name].path.exists()


class FeatureService:
    """Backbones, store and the open case behind one channel."""

    def __init__(self, channel: Channel[Request], settings: Service) -> None:
        self.channel = channel
        self.settings = settings
        self.files = settings.weights
        self.store = FeatureStore(settings.store)
        self.packaged = load_trusted().backbones()
        self.loaded: dict[str, Loaded] = {}
        self.case = OpenCase({})

    def answer(self, request: Request) -> Message:
        """Answer one request; what went wrong is an answer too."""
        try:
            return self._done(request)
        except BenchError as error:
            return Failed(reason=str(error), input=True)
        except Exception as error:
            full = storage_error(error) if isinstance(error, OSError) else None
            return NoRoom(reason=str(full)) if full else Failed(reason=describe(error))

    def _done(self, request: Request) -> Message:
        match request:
            case Fetch():
                return Fetched(weights=self._backbone(request.backbone).fetch())
            case Open():
                return self._open(request)
            case Lack():
                return self._lacking(request)
            case Piece():
                return self._piece(request)
            case Extract():
                return self._extracted(request)
            case Lend():
                return self._lent(request.backbone)
            case Service():
                raise ValueError("the service is told only once what it is")

    def _open(self, request: Open) -> Done:
        sets = {
            name: Images(np.load(s.path, mmap_mode="r"), np.frombuffer(s.digests.encode(), DIGEST))
            for name, s in request.sets.items()
        }
        self.case = OpenCase(sets)
        return Done()

    def _extracted(self, request: Extract) -> Extracted:
        opened, set_name, backbone = self.case, request.set_name, request.backbone
        if set_name not in opened.sets:
            raise BenchError(f"the case has no set {set_name}")
        loaded = self._load(backbone)
        check_layers(backbone, loaded.batches.extractor, request.layers)
        lacking = sorted({n for n in request.layers if opened.lacks(backbone, n, set_name)})
        keys = [loaded.key(name) for name in lacking]
        new = []
        for name, images in opened.sets.items() if keys else ():
            for layer, found in zip(lacking, self._extract(keys, images, loaded), strict=True):
                opened.extracted.setdefault((backbone, layer), {})[name] = found
                new.append(found)
        shards = (opened.extracted[backbone, layer][set_name] for layer in request.layers)
        return Extracted(
            paths=tuple(shard.path for shard in shards),
            used=Used(loaded.weights, **asdict(loaded.choice)),
            hits=sum(found.hits for found in new),
            misses=sum(found.misses for found in new),
        )

    def _lacking(self, request: Lack) -> Lacking:
        keys, _ = self._keys(request)
        sets = self.case.sets.items()
        rows = {name: self.store.lacking(keys, s.digests, self._say) for name, s in sets}
        return Lacking(rows={name: found.tolist() for name, found in rows.items()})

    def _piece(self, request: Piece) -> Extracted:
        keys, loaded = self._keys(request)
        [images] = self.case.sets.values()
        found = self._extract(keys, images, loaded, part=True)
        return Extracted(
            paths=tuple(shard.path for shard in found),
            used=Used(loaded.weights, **asdict(loaded.choice)),
            hits=sum(shard.hits for shard in found),
            misses=sum(shard.misses for shard in found),
        )

    def _keys(self, request: Lack | Piece) -> tuple[list[Key], Loaded]:
        loaded = self._load(request.backbone)
        check_layers(request.backbone, loaded.batches.extractor, request.layers)
        return [loaded.key(layer) for layer in dict.fromkeys(request.layers)], loaded

    def _lent(self, backbone: str) -> Lent:
        from harness.features.networks import NetworkExtractor, export  # seconds of imports

        if backbone in self.loaded:
            weights = self.loaded[backbone].weights
            extractor = self.loaded[backbone].batches.extractor
        else:
            weights = self._backbone(backbone).fetch()
            extractor = self._backbone(backbone).load(self.settings.device, "fp32")
        if not isinstance(extractor, NetworkExtractor):
            raise BenchError(f"backbone {backbone} is no network that could be trained")
        path = cache_dir() / "networks" / f"{json_digest(asdict(weights))[:32]}.safetensors"
        return Lent(network=export(extractor, path), weights=weights)

    def _backbone(self, name: str) -> Backbone:
        return find_backbone(name, self.packaged, self.files)

    def _load(self, name: str) -> Loaded:
        if name not in self.loaded:
            backbone = self._backbone(name)
            weights = backbone.fetch()
            sample = max((images.pixels for images in self.case.sets.values()), key=len)
            s = self.settings
            found = load(backbone, weights, s.device, s.precision, images=sample, say=self._say)
            self.loaded[name] = Loaded(weights, *found)
        return self.loaded[name]

    def _extract(
        self, keys: Sequence[Key], images: Images, loaded: Loaded, *, part: bool = False
    ) -> list[Extraction]:
        def compute(
            missing: NDArray[np.intp], lacking: Sequence[Key]
        ) -> Iterator[list[NDArray[np.float32]]]:
            layers = [key.layer for key in lacking]
            found = loaded.batches.rows(images.pixels, missing, layers, self._say)
            told = time.monotonic()
            done = 0
            for batch in found:
                yield batch
                done += len(batch[0])
                if time.monotonic() - told > 0.2:
                    told = time.monotonic()
                    reached = int(missing[done - 1]) + 1  # what the store held counts as done
                    self._tell(loaded.weights.backbone, reached, len(images.digests))

        return self.store.rows(keys, images.digests, compute, self._say, part=part)

    def _tell(self, backbone: str, done: int, of: int) -> None:
        self.channel.send(Progress(what=f"features {backbone}", done=done, of=of))

    def _say(self, text: str) -> None:
        self.channel.send(Log(text=text))


def main() -> None:
    """Serve until the parent closes the channel."""
    channel = Channel[Request](socket.socket(fileno=int(sys.argv[1])), ToService)
    try:
        settings = channel.receive()
        assert isinstance(settings, Service)
        torch.set_num_threads(settings.threads)
        keep_freed_memory()
        service = FeatureService(channel, settings)
        while True:
            channel.send(service.answer(channel.receive()))
    except (ChannelClosedError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
