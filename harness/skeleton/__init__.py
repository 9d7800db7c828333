"""A new package with a method that works, for its author to change."""

from __future__ import annotations

import importlib.util
import keyword
import re
import tempfile
from pathlib import Path
from string import Template

from harness.cards import read_cards
from harness.errors import BenchError
from harness.method import Task

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TEMPLATES = Path(__file__).parent / "templates"


def write_skeleton(name: str, task: Task, parent: Path) -> Path:
    """Write a package into the folder ``parent / name``, whole or not at all.

    Args:
        name: of the method, its entry point and its distribution, in kebab-case.
        task: which template the method is made from.
        parent: an existing folder.

    Returns:
        The folder.

    Raises:
        BenchError: the name will not do or is taken, or the folder exists or cannot be written.
    """
    module, folder = _module(name), parent / name
    if folder.exists():
        raise BenchError(f"{folder}: is there already; choose another name or remove it")
    _refuse_taken(name, module)
    words = {"name": name, "module": module, "title": name.replace("-", " ").title()}
    words["class_name"] = words["title"].replace(" ", "")
    words["data"] = "" if task is Task.MEMBERSHIP else ' -d "phantom-attribution-*"'
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{name}.") as temporary:
            made = Path(temporary, name)
            for path, template in _files(module, task).items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                text = (TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")
                (made / path).write_text(Template(text).substitute(words), encoding="utf-8")
            made.rename(folder)
    except OSError as error:
        raise BenchError(f"{folder}: cannot be written ({error}); mend that") from error
    return folder


def _files(module: str, task: Task) -> dict[str, str]:
    """Return which template each file of a package is made from."""
    return {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/{module}/__init__.py": "package.py",
        f"src/{module}/method.py": f"{task.value}.py",
        f"tests/test_{module}.py": "test.py",
    }


def _module(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > 60:
        raise BenchError(
            f"{name!a} is no name for a method: use small letters, digits and single hyphens, "
            "a letter first, as in my-method"
        )
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise BenchError(f"{name!a} is a word of Python; choose another name, as my-{name}")
    return module


def _refuse_taken(name: str, module: str) -> None:
    cards = read_cards()
    families = {card.family for card in cards.methods.values()} | {b.plugin for b in cards.broken}
    if name in cards.methods or name in families:
        raise BenchError(f"a method or plugin {name} is installed already; choose another name")
    if importlib.util.find_spec(module) is not None:
        raise BenchError(f"a Python module {module} is installed already; choose another name")
