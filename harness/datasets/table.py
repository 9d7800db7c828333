"""Tables that say something of every image: its label, its group."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from harness.errors import BenchError, short

T = TypeVar("T")


@dataclass(frozen=True)
class Table(Generic[T]):
    """A csv or tab-separated file that gives every image a value: two columns, header optional."""

    path: Path
    what: str  # what a value is called in messages
    wanted: str  # what a valid value is
    parse: Callable[[str], T | None]  # None: not valid
    complete: bool = False  # whether images outside the asked ones are mistakes

    def read(self, images: Sequence[Path], root: Path) -> dict[Path, T]:
        """Return the value of each of ``images``, which the file names with or without folder.

        Raises:
            BenchError: An image has none or two, a name is unknown or ambiguous, a value is wrong.
        """
        aliases = _aliases(images, root)
        values: dict[Path, T] = {}
        lines: dict[Path, int] = {}
        for number, (line, name, text) in enumerate(self._rows()):
            value = self.parse(text)
            found = aliases.get(name, [])
            if not found and (not self.complete or (number == 0 and value is None)):
                continue  # an image of another set, or the header
            image = self._only(line, name, found)
            if image in lines:
                first = f"{short(name)} is already on line {lines[image]}"
                raise self._flaw(line, f"{first}; keep one of the two")
            if value is None:
                raise self._flaw(
                    line, f"the {self.what} {short(text)} is not {self.wanted}; correct it"
                )
            values[image], lines[image] = value, line
        missing = [image for image in images if image not in values]
        if missing:
            count = f"{len(missing)} of {len(images)} images have no {self.what}"
            raise BenchError(f"{self.path}: {count}, for example {missing[0].name}; add them")
        return values

    def _only(self, line: int, name: str, found: list[Path]) -> Path:
        if not found:
            raise self._flaw(
                line, f"there is no image {short(name)} to be labelled; correct the name"
            )
        if len(found) > 1:
            both = f"{found[0]} or {found[1]}"
            raise self._flaw(line, f"{short(name)} may be {both}; write the path below the root")
        return found[0]

    def _rows(self) -> Iterator[tuple[int, str, str]]:
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise BenchError(
                f"{self.path}: cannot be read ({error.strerror}); mend that"
            ) from error
        except UnicodeDecodeError as error:
            raise BenchError(f"{self.path}: is not UTF-8 text; save it as UTF-8") from error
        tab = "\t" in text.lstrip().partition("\n")[0]
        stream, mark = io.StringIO(text, None), "\t" if tab else ","
        reader = csv.reader(stream, delimiter=mark, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if any(cells):
                    if len(cells) != 2:
                        columns = f"has {len(cells)} columns"
                        raise self._flaw(reader.line_num, f"{columns}; write image,{self.what}")
                    yield reader.line_num, cells[0], cells[1]
        except csv.Error as error:
            raise self._flaw(reader.line_num, f"is not valid csv ({error}); mend it") from error

    def _flaw(self, line: int, text: str) -> BenchError:
        return BenchError(f"{self.path}:{line}: {text}")


def _aliases(images: Iterable[Path], root: Path) -> dict[str, list[Path]]:
    """Return the images by every name that a table may call them."""
    aliases = defaultdict(list)
    for image in images:
        for alias in {image.relative_to(root).as_posix(), image.name, image.stem}:
            aliases[alias].append(image)
    return aliases
