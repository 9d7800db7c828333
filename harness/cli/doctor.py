"""``bench doctor``: what a person wants to know of this machine when something is off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

PACKAGES = ("torch", "timm", "numpy", "scikit-learn")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Tell what the harness finds here: versions, device, protection, folders, weights, plugins.

    Exits 1 if a plugin is broken.

    \b
    Examples:
      bench doctor
      bench doctor --json
    """
    facts = dict(_facts())
    broken = dict(_broken())
    facts["broken plugins"] = ", ".join(broken) or "none"
    if as_json:
        typer.echo(json.dumps({**facts, "broken plugins": broken}, indent=1))
    else:
        width = max(map(len, facts))
        for name, fact in facts.items():
            typer.echo(f"{name:{width}}  {fact}")
        for name, reason in broken.items():
            typer.echo(f"plugin {name} is broken: {reason}")
    if broken:
        raise typer.Exit(1)


def _facts() -> Iterator[tuple[str, str]]:
    import platform

    from harness import __version__
    from harness.features.backbones import known_backbones
    from harness.files import cache_dir, data_dir, results_dir
    from harness.kernel import protection
    from harness.machine import choose_device, cores, memory_bytes
    from harness.plugins import load_trusted

    yield "harness", __version__
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        yield package, _version(package)
    device = choose_device("auto")
    yield "device", device
    yield "cores", str(cores())
    yield "memory", f"{memory_bytes() / 1e9:.1f} GB"
    yield "protection", f"{protection(device)} (of methods; docs/threat-model.md)"
    for name, folder in (("cache", cache_dir()), ("results", results_dir()), ("data", data_dir())):
        yield name, _room(folder)
    known = known_backbones(load_trusted().backbones())
    at_hand = [name for name, backbone in sorted(known.items()) if backbone.at_hand()]
    yield "weights at hand", ", ".join(at_hand) or "none"


def _broken() -> Iterator[tuple[str, str]]:
    from harness.cards import read_cards
    from harness.plugins import load_trusted

    for plugin in (*read_cards().broken, *load_trusted().broken):
        yield plugin.plugin, plugin.reason


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _room(folder: Path) -> str:
    """Say where a folder is and how much room is left where it lies, or will lie."""
    place = folder.resolve()
    there = next(path for path in (place, *place.parents) if path.exists())
    state = "" if place == there else ", not there yet"
    return f"{place}{state}, {shutil.disk_usage(there).free / 1e9:,.1f} GB free"
