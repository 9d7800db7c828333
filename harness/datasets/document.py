"""A document: plain YAML, without anchors or tags, with the line of every key."""

import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from harness.datasets.entry import Keys, Origin
from harness.errors import BenchError, short

_YAML = "tag:yaml.org,2002:"
_TAGS = {
    yaml.ScalarNode: [f"{_YAML}{kind}" for kind in ("str", "int", "float", "bool", "null")],
    yaml.SequenceNode: [f"{_YAML}seq"],
    yaml.MappingNode: [f"{_YAML}map"],
}
_NUMBERS = _TAGS[yaml.ScalarNode][1:3]
_BASE_8_OR_60 = re.compile(r"[-+]?0[0-9_]+$|.*:")


class Document:
    """The values of a YAML file and the line of every key.

    Refuses whatever would make YAML read something else than what a person sees: keys that are
    given twice, tags, dates, numbers to the base 8 or 60 (010, 1:30), and aliases (a few of them
    can stand for gigabytes).
    """

    def __init__(self, file: Path, root: yaml.Node | None) -> None:
        """Build the values below the node ``root`` of ``file``.

        Raises:
            BenchError: A value is refused.
        """
        self.file = file
        self.line = root.start_mark.line + 1 if root else 1  # where the values begin
        self._lines: dict[Keys, int] = {}
        self._seen: set[int] = set()
        self.values = self._value(root, ())

    def origin(self, name: str) -> Origin:
        """Return where the key ``name`` of the outermost map was written."""
        below = {keys[1:]: line for keys, line in self._lines.items() if keys[0] == name}
        return Origin(self.file, below.pop(()), below)

    def _value(self, node: yaml.Node | None, keys: Keys) -> Any:
        """Return the value of ``node``, which stands under ``keys``."""
        if node is None:
            return None
        line = self._lines.get(keys, node.start_mark.line + 1)
        if id(node) in self._seen:
            self._refuse(keys, line, "aliases are not allowed; write the value again")
        self._seen.add(id(node))
        if node.tag not in _TAGS[type(node)]:
            kind = short(node.tag.removeprefix(_YAML))
            self._refuse(keys, line, f"YAML reads this as {kind}; put it in quotes")
        if node.tag in _NUMBERS and _BASE_8_OR_60.match(node.value):
            self._refuse(
                keys,
                line,
                f"{short(node.value)} is no decimal number; write one or put it in quotes",
            )
        if isinstance(node, yaml.MappingNode):
            return {
                (below := self._key(keys, key))[-1]: self._value(value, below)
                for key, value in node.value
            }
        if isinstance(node, yaml.SequenceNode):
            return [self._value(value, (*keys, str(n))) for n, value in enumerate(node.value)]
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (ValueError, KeyError, IndexError):
            self._refuse(keys, line, f"{short(node.value)} is not valid here; put it in quotes")

    def _key(self, above: Keys, node: yaml.Node) -> Keys:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(above, line, "a key must be text, not a list or map; write a name")
        # The key as it is written: to YAML the words null, no and 1 are no text.
        keys = (*above, str(node.value))
        if keys in self._lines:
            self._refuse(keys, line, f"is already on line {self._lines[keys]}; keep one of the two")
        self._lines[keys] = line
        return keys

    def _refuse(self, keys: Keys, line: int, text: str) -> NoReturn:
        if not keys:
            raise BenchError(f"{self.file}:{line}: {text}")
        raise Origin(self.file, line, {}).flaw(keys[0], keys[1:], text)


def read_document(file: Path) -> Document:
    """Read a YAML file.

    Raises:
        BenchError: The file cannot be read or is not plain YAML.
    """
    text = _read(file)
    try:
        return Document(file, yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise BenchError(_yaml_flaw(file, text, error)) from error
    except RecursionError as error:
        raise BenchError(f"{file}: is nested too deeply; entries need a few levels only") from error


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BenchError(f"{file}: cannot be read ({error.strerror}); check the path") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BenchError(f"{file}:{line}: is not UTF-8 text; save it as UTF-8") from error


def _yaml_flaw(file: Path, text: str, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{file}:{line}: holds the character {chr(error.character)!r}; remove it"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{file}:{line}: is not plain YAML ({problem}); mend this line or the one above it"
