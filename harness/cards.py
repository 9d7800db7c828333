"""What the parent knows of methods: cards, printed by a process that imports the plugins for it.

A card is cached under the digest of its plugin's source, so listing methods and finding that there
is nothing to do need neither the plugins nor torch.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness import __version__
from harness.errors import BenchError, describe, did_you_mean
from harness.files import cache_dir, json_digest, read_json, write_json
from harness.method import Access, Budget, Task
from harness.plugins import METHODS, Broken, Plugin, installed

# What has threads already when it is shut in is not shut in whole; so no library begins with many.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DISCOVERY_SECONDS = 120  # a plugin whose import takes longer is listed as broken


class Card(BaseModel):
    """A method as the parent sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    family: str  # the entry point that brought it
    distribution: str
    version: str
    source_digest: str
    task: Task
    summary: str
    access: tuple[Access, ...]
    control: bool
    trains: bool
    cpus: int | None = None  # what it needs of a node of a cluster
    gpus: float | None = None
    memory: int | None = None  # bytes
    headline: bool
    implementation: str  # variants of one class differ in name, access and parameters alone
    paper: str | None
    url: str | None
    runs: tuple[str, ...]
    deviations: tuple[str, ...]
    fields: dict[str, dict[str, Any]]  # JSON schema of each parameter
    parameters: dict[Budget, dict[str, Any]]  # the values in force at each budget


@dataclass(frozen=True)
class Cards:
    """All methods by name, and the plugins that could not be read."""

    methods: dict[str, Card]
    broken: tuple[Broken, ...]

    def get(self, name: str) -> Card:
        """Return a card by name.

        Raises:
            BenchError: there is no such method; names the nearest one.
        """
        if name in self.methods:
            return self.methods[name]
        for plugin in self.broken:
            if plugin.plugin == name:
                raise BenchError(f"plugin {name} is broken: {plugin.reason}")
        hint = did_you_mean(name, list(self.methods))
        raise BenchError(f"no method is called {name!r}{hint}; see: bench list methods")


def read_cards() -> Cards:
    """Return the cards of every installed method, importing only plugins that changed."""
    known: dict[str, list[Card]] = {}
    broken: list[Broken] = []
    fresh: list[Plugin] = []
    plugins = installed(METHODS)
    for plugin in plugins:
        try:
            found = read_json(_cache_file(plugin))
            cached = found if isinstance(found, list) else []
            known[plugin.name] = [Card.model_validate(card) for card in cached]
        except (ImportError, OSError) as error:
            broken.append(Broken(plugin.name, plugin.distribution, describe(error)))
            continue
        except ValidationError:
            known[plugin.name] = []
        if not known[plugin.name]:
            fresh.append(plugin)
    for plugin, answer in zip(fresh, _discover(fresh), strict=True):
        if isinstance(answer, str):
            broken.append(Broken(plugin.name, plugin.distribution, answer))
        else:
            known[plugin.name] = answer
            with suppress(OSError):  # a cache that is read-only costs time and nothing else
                write_json(_cache_file(plugin), [card.model_dump(mode="json") for card in answer])
    return _merge(plugins, known, broken)


def resolve(card: Card, budget: Budget, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters in force at a budget with ``changes`` on top, validated by the method.

    Raises:
        BenchError: a parameter is unknown, of the wrong type or out of range.
    """
    if not changes:
        return dict(card.parameters[budget])
    for key in changes:
        if key not in card.fields:
            hint = did_you_mean(key, list(card.fields))
            known = ", ".join(card.fields) or "none"
            raise BenchError(f"--set {card.name}.{key}: no such parameter{hint}; it has: {known}")
    request = {"plugin": card.family, "method": card.name, "budget": budget, "changes": changes}
    [answer] = _ask([request])
    if "error" in answer:
        raise BenchError(f"--set {card.name}.{answer['error']}")
    parameters: dict[str, Any] = answer["parameters"]
    return parameters


def _merge(
    plugins: Iterable[Plugin], known: Mapping[str, list[Card]], broken: list[Broken]
) -> Cards:
    methods: dict[str, Card] = {}
    for plugin in plugins:
        for card in known.get(plugin.name, []):
            if card.name in methods:
                reason = f"its method {card.name} is already brought by {methods[card.name].family}"
                broken.append(Broken(plugin.name, plugin.distribution, reason))
                break
            methods[card.name] = card
    return Cards(methods, tuple(broken))


def _cache_file(plugin: Plugin) -> Path:
    identity = [plugin.name, plugin.entry.value, plugin.version, plugin.source_digest, __version__]
    return cache_dir() / "cards" / f"{plugin.name}-{json_digest(identity)[:32]}.json"


def _discover(plugins: list[Plugin]) -> list[list[Card] | str]:
    answers = _ask([{"plugin": plugin.name} for plugin in plugins])
    cards: list[list[Card] | str] = []
    for plugin, answer in zip(plugins, answers, strict=True):
        if "error" in answer:
            cards.append(str(answer["error"]))
            continue
        facts = {
            "family": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "source_digest": plugin.source_digest,
        }
        cards.append([Card.model_validate({**card, **facts}) for card in answer["cards"]])
    return cards


def _ask(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put requests to discovery processes; one that dies fails its request and spares the rest."""
    answers: list[dict[str, Any]] = []
    while len(answers) < len(requests):
        with tempfile.TemporaryDirectory(prefix="discovery-") as folder:
            answers += _ask_one_process(requests[len(answers) :], folder)
    return answers


def _ask_one_process(requests: list[dict[str, Any]], folder: str) -> list[dict[str, Any]]:
    """Return the answers of one process; the last says why there are no more, if there are not.

    All that the process may write to is ``folder``.
    """
    own = dict.fromkeys(THREADS, "1") | {"TMPDIR": folder, "PYTHONWARNINGS": "ignore"}
    answers: list[dict[str, Any]] = []
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.discovery", json.dumps(requests)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        env={**os.environ, **own},
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as lines:
        for _ in requests:
            if not select.select([lines], [], [], DISCOVERY_SECONDS)[0]:
                answers.append({"error": f"no answer within {DISCOVERY_SECONDS} s of import"})
                break
            line = lines.readline()
            if not line:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(DISCOVERY_SECONDS)
                ending = f"importing it ended the process (exit {process.returncode})"
                answers.append({"error": ending})
                break
            answers.append(json.loads(line))
    process.kill()
    process.wait()
    return answers
