from pathlib import Path

import pytest
from hypothesis import settings

from support import Bench

settings.register_profile("any machine", deadline=None)  # a slow machine is no failure
settings.load_profile("any machine")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
