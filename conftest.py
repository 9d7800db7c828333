"""Slow tests end in time on slow machines, too.

``.ci/run`` sets until when slow tests may begin (``SLOW_UNTIL``, seconds since 1970); one that
comes later is skipped and says so. Files are in the order of the day: it is not always the same.
"""

import hashlib
import math
import os
import time

import pytest

UNTIL = float(os.environ.get("SLOW_UNTIL", math.inf))
DAY = os.environ.get("SLOW_DAY")  # the same for all processes of a run, also at midnight


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files into the order of the day."""
    if DAY:
        items.sort(key=lambda item: hashlib.sha256(f"{DAY} {item.path.name}".encode()).digest())


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out a slow test whose time is over."""
    if item.get_closest_marker("slow") and time.time() > UNTIL:
        pytest.skip("left out: the time of slow tests is over on this machine")
