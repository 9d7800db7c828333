import pytest

from support import InProcessTools


class CellTools(InProcessTools):
    """Tools with a memory, and a folder for checkpoints."""

    precision = "fp32"

    def __init__(self, folder):
        super().__init__()
        self.checkpoints = folder
        self._made = {}

    def cached(self, key, make):
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


@pytest.fixture
def tools(tmp_path):
    return CellTools(tmp_path)
