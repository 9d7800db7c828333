"""docs/design.md says what is true of the code."""

import ast
import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent
DESIGN = (PROJECT / "docs" / "design.md").read_text()


def section(title):
    return DESIGN.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def defined():
    """Return the names of all functions and classes of the harness."""
    trees = (ast.parse(path.read_text()) for path in (PROJECT / "harness").rglob("*.py"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)}


def test_the_road_passes_functions_that_there_are():
    walked = set(re.findall(r"`(\w+)`", section("The road")))
    assert len(walked) > 15
    assert walked - {"access"} <= defined()


def test_the_rooms_stand_in_the_order_that_the_linter_enforces():
    lint = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [c["layers"] for c in lint["contracts"] if c["id"] == "rooms"]
    rooms = re.findall(r"^    harness/(\w+)", section("Rooms"), re.MULTILINE)
    place = {room: n for n, layer in enumerate(layers) for room in layer.split(" | ")}
    assert set(rooms) == set(place)
    assert [place[room] for room in rooms] == sorted(place[room] for room in rooms)
