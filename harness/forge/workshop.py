"""The workshop: where a data set is made before it takes its name, and what is left to be done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.errors import BenchError
from harness.files import file_digest, json_digest, read_json, write_json
from harness.forge.folder import CARD

JOB = "job.json"


class Workshop:
    """One order for one folder, told apart from every other order for it.

    Work lies in a hidden neighbour of the folder, so that an interrupted command goes on where it
    was and the folder itself is whole or not there.
    """

    def __init__(self, out: Path, order: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
        """Look at what is there.

        Args:
            out: the folder to be made.
            order: all that was asked for, as JSON values; kept in the card under ``order``.
            conditions: what else decides the bytes; work that was begun goes on only under these.

        Raises:
            BenchError: Another order was made or begun there, or the folder holds something else.
        """
        whole = out.resolve()
        self.out, self.folder = out, whole.with_name(f".{whole.name}.forging")
        self._job = json.loads(json.dumps({**order, **conditions}))
        self.finished = self._look_at_out(json.loads(json.dumps(dict(order))))
        begun = None if self.finished else read_json(self.folder / JOB)
        if isinstance(begun, dict) and begun != self._job:
            remedy = f"give that command again, remove {self.folder}, or choose another -o"
            raise BenchError(f"{out}: was begun with {_difference(begun, self._job)}; {remedy}")

    def open(self) -> Path:
        """Return the folder for the work, made if need be.

        Raises:
            BenchError: It cannot be made.
        """
        try:
            write_json(self.folder / JOB, self._job)
        except OSError as error:
            raise BenchError(f"{self.out}: cannot be made ({error}); choose another -o") from error
        return self.folder

    def finish(self, build: Callable[[Path], None]) -> None:
        """Let ``build`` fill a new folder, give it its name and clear the work away.

        Raises:
            BenchError: The folder cannot be written, or another process made it meanwhile.
        """
        made = self.folder / "made"
        try:
            if made.exists():
                shutil.rmtree(made)
            made.mkdir()
            build(made)
            if self.out.is_dir():
                self.out.rmdir()  # refuses one that is not empty
            made.rename(self.out)
            shutil.rmtree(self.folder)
        except OSError as error:
            remedy = "mend that and give the same command again"
            raise BenchError(f"{self.out}: cannot be written ({error}); {remedy}") from error

    def _look_at_out(self, order: Any) -> bool:
        if not self.out.exists() or (self.out.is_dir() and not any(self.out.iterdir())):
            return False
        card = read_json(self.out / CARD) if self.out.is_dir() else None
        if not isinstance(card, dict) or not isinstance(card.get("order"), dict):
            raise BenchError(f"{self.out}: exists and was not forged here; choose another -o")
        if card["order"] != order:
            found = _difference(card["order"], order)
            raise BenchError(f"{self.out}: was made with {found}; choose another -o")
        return True


def conditions(device: str, threads: int) -> dict[str, Any]:
    """Return what decides the bytes of a trained generator's images besides the order."""
    code = sorted(Path(__file__).parent.glob("*.py"))
    return {
        "torch": version("torch"),
        "device": device,
        "threads": threads,
        "code": json_digest([file_digest(path) for path in code]),
    }


def _difference(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Say the first key in which two orders differ."""
    key = next(key for key in [*asked, *there] if there.get(key) != asked.get(key))
    if isinstance(there.get(key), dict) and isinstance(asked.get(key), dict):
        return f"{key} {_difference(there[key], asked[key])}"
    old, new = (json.dumps(order.get(key), ensure_ascii=False) for order in (there, asked))
    return f"{key.replace('_', ' ')} {old}, not {new}"
