"""The catalogue: the entries of one or more files, looked up by name."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from harness.datasets.document import read_document
from harness.datasets.entry import Entry, parse_entry
from harness.errors import BenchError, did_you_mean


class Catalogue:
    """The entries of several files by name, in the order in which they are written."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Read ``files``; a file that is named twice is read once.

        Raises:
            BenchError: A file is not valid, or two files have an entry of the same name.
        """
        self._entries: dict[str, Entry] = {}
        for file in {path.resolve(): path for path in files}.values():
            self._join(file)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """Return the names of all entries."""
        return list(self._entries)

    def get(self, name: str) -> Entry:
        """Return the entry called ``name``, or the one entry of the folder at that path.

        Raises:
            BenchError: There is none, or the folder has several.
        """
        if name not in self._entries and is_folder(name):
            first, *others = found = self._join(folder_file(name))
            if others:
                names = ", ".join(entry.name for entry in found)
                remedy = f"give --datasets {folder_file(name)} and one of the names"
                raise BenchError(f"{name}: holds the data sets {names}; {remedy}")
            return first
        if name not in self._entries:
            hint = did_you_mean(name, self.names())
            raise BenchError(f"no data set is called {name!r}{hint}; see 'bench list datasets'")
        return self._entries[name]

    def select(self, patterns: Iterable[str]) -> list[Entry]:
        """Return the entries that any of ``patterns`` matches, each once.

        Args:
            patterns: names, globs, or paths of folders that hold a datasets.yaml; where a name is
                both, the entry of that name is meant.

        Raises:
            BenchError: A pattern matches nothing, or a folder's entry has the name of another.
        """
        chosen: dict[str, Entry] = {}
        for pattern in patterns:
            matches = [entry for entry in self if fnmatchcase(entry.name, pattern)]
            if not matches and is_folder(pattern):
                matches = self._join(folder_file(pattern))
            for entry in matches or [self.get(pattern)]:
                chosen[entry.name] = entry
        return list(chosen.values())

    def defaults(self) -> list[Entry]:
        """Return the entries marked ``default: true``."""
        return [entry for entry in self if entry.default]

    def _join(self, file: Path) -> list[Entry]:
        """Take in the entries of a file."""
        entries = read_entries(file)
        for name, entry in entries.items():
            first = self._entries.setdefault(name, entry).origin
            if first.file.resolve() != file.resolve():
                there = f"{first.file}:{first.line}"
                raise entry.flaw((), f"is already in {there}; rename one of the two")
        return list(entries.values())


def is_folder(name: str) -> bool:
    """Return whether ``name`` means a data-set folder by its path, not an entry by its name."""
    return Path(name).name != name or folder_file(name).is_file()


def folder_file(name: str) -> Path:
    """Return the datasets.yaml of a data-set folder."""
    return Path(name, "datasets.yaml")


def read_entries(file: Path) -> dict[str, Entry]:
    """Read one datasets.yaml.

    Raises:
        BenchError: The file cannot be read, is not plain YAML, or an entry is not valid.
    """
    document = read_document(file)
    if not isinstance(document.values, dict):
        wanted = "at least one entry: a name, and below it keys such as task and layout"
        raise BenchError(f"{file}:{document.line}: holds no entries; write {wanted}")
    return {
        name: parse_entry(document.origin(name), name, value)
        for name, value in document.values.items()
    }
