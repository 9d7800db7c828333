import signal
from pathlib import Path

import pytest
from hypothesis import settings

from support import Bench

settings.register_profile("any machine", deadline=None)  # a slow machine is no failure
settings.load_profile("any machine")

# A shell has its background jobs ignore Ctrl-C, and so would the runs that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built-in methods' cards."""
    bench = Bench(tmp_path_factory.mktemp("cards"))
    bench("list", "methods")
    return bench.folder / "cache" / "cards"


@pytest.fixture
def bench(tmp_path: Path, cards: Path) -> Bench:
    return Bench(tmp_path, cards=cards)
