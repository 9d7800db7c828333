"""Every message that two processes of a run send each other.

A worker asks its parent for features and networks, tells how far it is, and ends with a prediction
or a failure; what it sends is believed no further than it is checked here. The parent asks the
feature service in the same words and passes on what comes back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.weights import Used, Weights


class Message(BaseModel):
    """One message; ``say`` tells which."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Job(Message):
    """All that a worker is told. It names pixels by path and nothing by its truth."""

    say: Literal["job"] = "job"
    plugin: str
    method: str
    parameters: dict[str, Any]
    budget: str
    seed: int
    classes: int
    device: str
    precision: str
    threads: int
    scratch: Path
    checkpoints: Path
    sets: dict[str, Path]  # name, as in ``training.used`` → .npy of its pixels
    groups: dict[str, list[int]]  # by the same names, of the sets whose patients are told
    readable: tuple[Path, ...]  # folders of what the feature service hands out


class Service(Message):
    """All that the feature service is told before it is asked anything."""

    say: Literal["service"] = "service"
    device: str
    precision: str
    threads: int
    store: Path
    weights: dict[str, Path]  # given by --weights, file by backbone


class Progress(Message):
    """How far a step is."""

    say: Literal["progress"] = "progress"
    what: str
    done: int
    of: int | None


class Log(Message):
    """A line for the record."""

    say: Literal["log"] = "log"
    text: str


class Extract(Message):
    """Layers of a set are wanted, in one pass."""

    say: Literal["extract"] = "extract"
    set_name: str
    backbone: str
    layers: tuple[str, ...]


class Lack(Message):
    """Which images of the open case have no such features yet?"""

    say: Literal["lack"] = "lack"
    backbone: str
    layers: tuple[str, ...]


class Piece(Message):
    """Layers of the one set that is open, a piece of another one whose pass is shared out."""

    say: Literal["piece"] = "piece"
    backbone: str
    layers: tuple[str, ...]


class Lend(Message):
    """A backbone's network is wanted, to be trained."""

    say: Literal["lend"] = "lend"
    backbone: str


class Predicted(Message):
    """A worker's answer to the case."""

    say: Literal["predicted"] = "predicted"
    scores: list[float] | list[list[float]]  # N, or N x C
    labels: list[float]  # N
    fit: float  # seconds
    score: float  # seconds
    peak_bytes: int  # largest resident memory


class Failed(Message):
    """The method, or the feature service, could not do what was asked."""

    say: Literal["failed"] = "failed"
    reason: str
    input: bool = False  # whether what was asked for is at fault
    refused: bool = False  # whether the method tried what it may not do


class NoRoom(Message):
    """The feature service cannot write what it should; that ends the run."""

    say: Literal["no room"] = "no room"
    reason: str


class Shards(Message):
    """Where features lie: a shard for each layer."""

    say: Literal["shards"] = "shards"
    paths: tuple[Path, ...]


class Network(Message):
    """A network to be trained, its weights in a file that anyone may map."""

    say: Literal["network"] = "network"
    path: Path
    architecture: str
    any_side: bool
    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


class Fetch(Message):
    """The weights of a backbone are wanted on this machine."""

    say: Literal["fetch"] = "fetch"
    backbone: str


class StoredSet(Message):
    """The pixels of one set of a case."""

    path: Path  # .npy, (N, H, W) uint8
    digests: str  # N x 64 hex: one text, for a list of thousands is slow to write and to read


class Open(Message):
    """A case, to whose sets the requests that follow refer."""

    say: Literal["open"] = "open"
    sets: dict[str, StoredSet]


class Done(Message):
    """There is nothing to say but that it is done."""

    say: Literal["done"] = "done"


class Fetched(Message):
    """Weights are on this machine."""

    say: Literal["fetched"] = "fetched"
    weights: Weights


class Extracted(Message):
    """Shards, the backbone as it was used, and images that the store held or lacked."""

    say: Literal["extracted"] = "extracted"
    paths: tuple[Path, ...]
    used: Used
    hits: int
    misses: int


class Lacking(Message):
    """Images whose features have to be computed."""

    say: Literal["lacking"] = "lacking"
    rows: dict[str, list[int]]  # their positions, by set


class Lent(Message):
    """A network, and the weights that it starts from."""

    say: Literal["lent"] = "lent"
    network: Network
    weights: Weights


class Started(Message):
    """A worker was forked."""

    say: Literal["started"] = "started"
    pid: int


class Ended(Message):
    """A forked worker is no more."""

    say: Literal["ended"] = "ended"
    code: int  # negative for a signal


FromTemplate = Annotated[Started | Ended, Field(discriminator="say")]
FromWorker = Annotated[
    Progress | Log | Extract | Lend | Predicted | Failed, Field(discriminator="say")
]
ToWorker = Annotated[Job | Shards | Network | Failed, Field(discriminator="say")]
ToService = Annotated[
    Service | Fetch | Open | Lack | Piece | Extract | Lend, Field(discriminator="say")
]
FromService = Annotated[
    Progress | Log | Fetched | Done | Lacking | Extracted | Lent | Failed | NoRoom,
    Field(discriminator="say"),
]
