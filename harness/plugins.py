"""Hook specifications, and the one guarded door by which every plugin comes in.

Two groups of entry points, both pluggy modules:

``fingerprint_bench.methods``
    implement :func:`MethodHooks.bench_methods`; imported only in discovery and worker processes.
``fingerprint_bench.hooks``
    trusted: implement any of :class:`TrustedHooks`; imported where the truth is.

Built-in plugins come in by the same door. ``BENCH_DISABLE_PLUGINS=a,b`` leaves some out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from harness.errors import describe

if TYPE_CHECKING:
    from harness.datasets.recipe import Recipe
    from harness.features.backbones import Backbone
    from harness.method import Method

METHODS = "fingerprint_bench.methods"
HOOKS = "fingerprint_bench.hooks"

hookspec = pluggy.HookspecMarker("fingerprint_bench")
hookimpl = pluggy.HookimplMarker("fingerprint_bench")


class MethodHooks:
    """What a package of methods implements."""

    @hookspec
    def bench_methods(self) -> Iterable[type[Method]]:
        """Return the method classes of this family, its variants included."""
        raise AssertionError("a specification is never called")


class TrustedHooks:
    """What a trusted plugin may add to the harness itself."""

    @hookspec
    def bench_datasets(self) -> list[Path]:
        """Return datasets.yaml files whose entries join the built-in ones."""
        raise AssertionError("a specification is never called")

    @hookspec
    def bench_recipes(self) -> dict[str, Callable[[dict[str, Any]], Recipe]]:
        """Return makers of data sets, by the key under which ``fetch:`` names them."""
        raise AssertionError("a specification is never called")

    @hookspec
    def bench_backbones(self) -> dict[str, Backbone]:
        """Return backbones by name: feature extractors or weights that come in a package."""
        raise AssertionError("a specification is never called")


@dataclass(frozen=True)
class Plugin:
    """An installed entry point, not yet imported."""

    name: str
    entry: EntryPoint
    distribution: str
    version: str

    @property
    def package(self) -> str:
        """The name of its package or module."""
        return self.entry.module.partition(".")[0]

    @cached_property
    def source_digest(self) -> str:
        """SHA-256 over the files of the plugin's package, found without importing it.

        Tests, pages and compiled files do not count; a data file does.

        Raises:
            ImportError: the package that the entry point names is not there.
        """
        return package_digest(self.package)


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be used, and why; everything else goes on without it."""

    plugin: str
    distribution: str
    reason: str


def package_digest(package: str) -> str:
    """Return the SHA-256 over the files of a package, found without importing it.

    Raises:
        ImportError: it is not there.
    """
    digest = hashlib.sha256()
    for name, path in _source_files(package):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def installed(group: str) -> list[Plugin]:
    """Return the plugins of a group by name, without importing any of them."""
    disabled = {name.strip() for name in os.environ.get("BENCH_DISABLE_PLUGINS", "").split(",")}
    found: dict[str, Plugin] = {}
    for entry in entry_points(group=group):
        if entry.name not in disabled and entry.name not in found:
            name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("?", "?")
            found[entry.name] = Plugin(entry.name, entry, name, version)
    return [found[name] for name in sorted(found)]


def load_methods(plugin: Plugin) -> list[type[Method]]:
    """Import a plugin and return its methods. Only for processes that hold no truth.

    Raises:
        Exception: whatever the plugin's own code raises.
    """
    manager = pluggy.PluginManager("fingerprint_bench")
    manager.add_hookspecs(MethodHooks)
    manager.register(plugin.entry.load(), plugin.name)
    return [method for methods in manager.hook.bench_methods() for method in methods]


@dataclass(frozen=True)
class Trusted:
    """The trusted plugins that loaded, and those that did not."""

    manager: pluggy.PluginManager
    broken: tuple[Broken, ...]

    def dataset_files(self) -> list[Path]:
        """Return every datasets.yaml that a plugin brings."""
        return [path for paths in self.manager.hook.bench_datasets() for path in paths]

    def recipes(self) -> dict[str, Callable[[dict[str, Any]], Recipe]]:
        """Return every maker of data sets by name."""
        return _merged(self.manager.hook.bench_recipes())

    def backbones(self) -> dict[str, Backbone]:
        """Return every backbone that a plugin brings, by name."""
        return _merged(self.manager.hook.bench_backbones())


def load_trusted() -> Trusted:
    """Import the trusted plugins, one at a time; one that fails is listed and harms nothing."""
    manager = pluggy.PluginManager("fingerprint_bench")
    manager.add_hookspecs(TrustedHooks)
    broken = []
    for plugin in installed(HOOKS):
        try:
            manager.register(plugin.entry.load(), plugin.name)
        except Exception as error:
            broken.append(Broken(plugin.name, plugin.distribution, describe(error)))
    return Trusted(manager, tuple(broken))


def _merged(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            merged.setdefault(name, value)
    return merged


def _is_beside_the_point(name: Path) -> bool:
    return name.suffix in (".pyc", ".md") or name.parts[0] == "tests"


def _source_files(package: str) -> list[tuple[str, Path]]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}")
    if spec.submodule_search_locations is None:
        return [(package, Path(spec.origin or ""))]
    files = {}
    for folder in map(Path, spec.submodule_search_locations):
        for path in folder.rglob("*"):
            name = path.relative_to(folder)
            if path.is_file() and not _is_beside_the_point(name):
                files[name.as_posix()] = path
    return sorted(files.items())
