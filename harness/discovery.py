"""The process that imports plugins to print their cards; it is given no data and no truth.

``python -m harness.discovery '[{"plugin": NAME}, {"plugin": NAME, "method": ...}]'`` prints a line
of JSON per request: the cards of a plugin, or the parameters in force of one of its methods.
Whatever the plugins themselves print goes to standard error. Where the kernel helps the process is
shut in as a worker is; its own folder is that of temporary files.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import describe
from harness.method import Budget, Method
from harness.plugins import METHODS, Plugin, installed, load_methods
from harness.reach import reach_of


def main() -> None:
    """Answer the requests given on the command line, in order."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    requests = json.loads(sys.argv[1])
    plugins = {request["plugin"]: find_plugin(request["plugin"]) for request in requests}
    packages = [plugin.package for plugin in plugins.values()]
    os.environ["HOME"] = tempfile.gettempdir()
    reach_of(packages, [Path(tempfile.gettempdir())]).shut_in("cpu")
    for request in requests:
        plugin = plugins[request.pop("plugin")]
        try:
            answer = _resolve(plugin, **request) if request else _cards(plugin)
        except Exception as error:
            answer = {"error": describe(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def find_plugin(plugin: str) -> Plugin:
    """Return an installed plugin without importing it.

    Raises:
        LookupError: it is not installed.
    """
    for found in installed(METHODS):
        if found.name == plugin:
            return found
    raise LookupError(f"plugin {plugin} is not installed")


def find_method(plugin: Plugin, method: str) -> type[Method]:
    """Import a plugin and return one of its methods.

    Raises:
        LookupError: the plugin has no such method.
    """
    for candidate in load_methods(plugin):
        if candidate.name == method:
            return candidate
    raise LookupError(f"plugin {plugin.name} brings no method {method}")


def _cards(plugin: Plugin) -> dict[str, Any]:
    methods = load_methods(plugin)
    if not methods:
        return {"error": "it brings no method: bench_methods returned nothing"}
    return {"cards": [_card(method) for method in methods]}


def _card(method: type[Method]) -> dict[str, Any]:
    if not (inspect.isclass(method) and issubclass(method, Method)):
        raise TypeError(f"bench_methods returned {method!r}, which is no Method class")
    if missing := [name for name in ("name", "task", "access") if not hasattr(method, name)]:
        raise TypeError(f"{method.__name__} does not set {', '.join(missing)}")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", method.name):
        raise ValueError(f"name {method.name!r} is no file name; write it as in my-method")
    reference = method.reference
    return {
        "name": method.name,
        "task": method.task,
        "summary": (inspect.getdoc(method) or "").partition("\n")[0],
        "access": sorted(method.access),
        "control": method.control,
        "trains": method.trains,
        **_needs(method),
        "headline": method.headline,
        "implementation": vars(method).get("implementation") or method.__qualname__,
        "paper": reference.paper if reference else None,
        "url": reference.url if reference else None,
        "runs": list(reference.runs) if reference else [],
        "deviations": list(method.deviations),
        "fields": method.model_json_schema().get("properties", {}),
        "parameters": {
            budget.value: method.within(budget).model_dump(mode="json") for budget in Budget
        },
    }


def _needs(method: type[Method]) -> dict[str, Any]:
    needs = {"cpus": method.cpus, "gpus": method.gpus, "memory": method.memory}
    for name, value in needs.items():
        kinds = (int, float) if name == "gpus" else int
        if value is not None and not (isinstance(value, kinds) and value > 0):
            raise ValueError(f"{name} = {value!r} of {method.name} must be a number above 0")
    return needs


def _resolve(plugin: Plugin, method: str, budget: str, changes: dict[str, Any]) -> dict[str, Any]:
    try:
        made = find_method(plugin, method).within(Budget(budget), changes)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return {"error": f"{where}={first['input']!r}: {first['msg']}"}
    return {"parameters": made.model_dump(mode="json")}


if __name__ == "__main__":
    main()
