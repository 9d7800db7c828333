"""What must hold of every node of a Ray cluster before any of them is given a cell."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import BenchError
from harness.files import cache_dir
from harness.plugins import METHODS, installed, package_digest

PACKAGES = ("ray", "torch", "timm", "numpy", "scikit-learn")  # whose versions decide on results
PATIENCE = 120.0  # seconds for a node's answer: its first Ray process imports the harness


@dataclass(frozen=True)
class Node:
    """A node that is alive."""

    id: str
    host: str
    cpus: float
    gpus: float
    memory: float  # bytes

    @property
    def name(self) -> str:
        """What it is called in an error; several nodes may be on one host."""
        return f"node {self.host} ({self.id[:8]})"

    @property
    def here(self) -> NodeAffinitySchedulingStrategy:
        """The strategy that runs something on this node and nowhere else."""
        return NodeAffinitySchedulingStrategy(self.id, soft=False)


@dataclass(frozen=True)
class Facts:
    """What a node is asked for."""

    versions: Mapping[str, str]
    harness: str  # digest of its sources
    plugins: Mapping[str, str]  # digest of their sources, by plugin
    seen: tuple[str, ...]  # the files that it sees


def alive() -> list[Node]:
    """Return the nodes of the cluster that are alive, by id."""
    found = []
    rows: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    for row in rows:
        if row["Alive"]:
            has, host = row["Resources"], row["NodeManagerHostname"]
            sizes = (float(has.get(kind, 0.0)) for kind in ("CPU", "GPU", "memory"))
            found.append(Node(row["NodeID"], host, *sizes))
    return sorted(found, key=lambda node: node.id)


def facts(families: Sequence[str], files: Sequence[str]) -> Facts:
    """Return what holds on this node.

    Args:
        families: the plugins that are needed.
        files: paths of which is told whether they are seen here.
    """
    plugins = {p.name: p.source_digest for p in installed(METHODS) if p.name in families}
    versions = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    seen = tuple(file for file in files if Path(file).exists())
    return Facts(versions, package_digest("harness"), plugins, seen)


def admit(
    nodes: Iterable[Node], families: Sequence[str], weights: Mapping[str, Path], *, carry: bool
) -> Facts:
    """Check that nodes have the same sources and versions as this process, and what they must see.

    Args:
        nodes: of the cluster.
        families: the plugins whose methods will run.
        weights: files given for backbones.
        carry: nodes need not see the cache folder.

    Returns:
        What holds here, for nodes that join later (:func:`admit_this`).

    Raises:
        BenchError: says of the first node that has not, what it lacks and the remedy.
    """
    token = cache_dir().resolve() / "runs" / f"token-{uuid.uuid4().hex}"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.touch()
    try:
        files = [str(token), *map(str, weights.values())]
        asked = {
            node: ray.remote(facts)
            .options(num_cpus=0, max_retries=0, scheduling_strategy=node.here)
            .remote(families, files)
            for node in nodes
        }
        ours = facts(families, files)
        for node, reference in asked.items():
            for flaw in _flaws(_told(node, reference), ours, weights, None if carry else token):
                raise BenchError(f"--engine ray: {node.name} {flaw}")
        return replace(ours, seen=() if carry else (str(token.parent),))
    finally:
        token.unlink()


def admit_this(ours: Facts) -> None:
    """Check the node of this process, which may have joined since the others were looked at.

    Args:
        ours: what holds at the driver, and the folder of its cache that is to be seen.

    Raises:
        BenchError: as :func:`admit`.
    """
    told = facts(list(ours.plugins), ours.seen)
    folder = next(map(Path, ours.seen), None)
    for flaw in _flaws(told, ours, {}, folder):
        raise BenchError(f"--engine ray: node {platform.node()}, which has joined, {flaw}")


def _told(node: Node, reference: ray.ObjectRef[Facts]) -> Facts:
    try:
        return ray.get(reference, timeout=PATIENCE)
    except GetTimeoutError:
        reason = f"has not answered within {PATIENCE:g} s; see: ray status"
    except RayError as error:
        cause = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
        reason = f"cannot run the harness ({cause}); install there what is installed here"
    raise BenchError(f"--engine ray: {node.name} {reason}")


def _flaws(
    told: Facts, ours: Facts, weights: Mapping[str, Path], token: Path | None
) -> Iterator[str]:
    same = "install there what is installed here"
    for name, here in ours.versions.items():
        if told.versions[name] != here:
            yield f"has {name} {told.versions[name]}, not {here}; install the same version there"
    if told.harness != ours.harness:
        yield f"has other sources of the harness; {same}"
    for name, digest in ours.plugins.items():
        if name not in told.plugins:
            yield f"has not the plugin {name}; {same}"
        elif told.plugins[name] != digest:
            yield f"has other sources of the plugin {name}; {same}"
    if token is not None and str(token) not in told.seen:
        remedy = "set BENCH_CACHE to a folder that all nodes see, or give --carry"
        yield f"does not see the cache folder {token.parent.parent}; {remedy}"
    for backbone, path in weights.items():
        if str(path) not in told.seen:
            yield f"does not see {path} (--weights {backbone}); put it there, too"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
