"""Where a site takes from what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.board.published import PublishedRun
from harness.cards import Card
from harness.datasets.dataset import Dataset
from harness.datasets.entry import Entry
from harness.running.records import RecordStore


@dataclass(frozen=True, eq=False)
class Sources:
    """Where a site takes from what it shows."""

    published: RecordStore  # what the pages are about
    working: RecordStore  # beside whose records the answers lie
    cards: Mapping[str, Card]  # of the methods that are installed here
    entries: Mapping[str, Entry]
    open: Callable[[Entry], Dataset]  # raises BenchError where a data set cannot be read
    runs: tuple[PublishedRun, ...]
    say: Callable[[str], None]  # told what is being done, and what stays on this machine
