"""What the corpus is made of: kinds of odd files, and one way to look at what a reader does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import BenchError

LONGEST = 600  # characters of a line of refusal, paths aside: nobody reads more


@dataclass(frozen=True)
class Kind:
    """One way for a file to be odd, and what a reader owes it."""

    name: str
    make: Callable[[Path], object]  # writes it at a path
    right: Any = None  # what is read; without it the file is refused
    said: str = ""  # in the line of refusal
    file: str = ""  # what it is called, where that is the point
    entry: str = ""  # more keys of the entry that it belongs to

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def holds(content: str | bytes) -> Callable[[Path], object]:
    """Return the maker of a file with this content."""
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda path: path.write_bytes(raw)


def check(kind: Kind, read: Callable[[], Any], *named: object) -> bool:
    """Read what a kind made: right, or refused in one line that names it. Return whether read."""
    try:
        found = read()
    except BenchError as error:
        line = str(error)
        assert kind.right is None, line
        assert line.isprintable(), line
        assert len(line) < LONGEST + sum(len(str(name)) for name in named)
        for part in (*named, kind.said):
            assert str(part) in line
        return False
    assert kind.right is not None, f"read as {found}"
    np.testing.assert_equal(found, kind.right)
    return True
