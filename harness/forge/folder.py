"""A data set as a folder: PNG files in ImageCLEF layout, truth, groups, entry and card."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.datasets.recipe import RawSet
from harness.files import file_digest, write_json, write_text

FOLDERS = {  # canonical set name → its folder
    "train/generated": "train/generated",
    "train/used": "train/real_used",
    "train/not_used": "train/real_not_used",
    "test/generated": "test/generated",
    "test/unknown": "test/real_unknown",
    "test/other_slice": "test/real_other_slice",
    "null": "null/generated",
}
TRUTH, GROUPS = "test/truth.csv", "groups.csv"
ENTRIES, CARD, CARD_TEXT = "datasets.yaml", "card.json", "card.md"


def write_sets(root: Path, sets: Mapping[str, RawSet], classes: Sequence[str] = ("0", "1")) -> None:
    """Write sets of a data set below ``root``, with truth and groups where known.

    Args:
        root: a folder, made if need be.
        sets: by canonical names, ids ending in ``.png``; those that are asked have labels.
        classes: what the truth calls the labels 0, 1, ...
    """
    from PIL import Image

    patients: list[tuple[str, str]] = []
    for name, raw in sets.items():
        folder = root / _folder(name)
        folder.mkdir(parents=True)
        for image, pixels in sorted(zip(raw.ids, raw.pixels, strict=True), key=lambda at: at[0]):
            Image.fromarray(pixels).save(folder / image)
        if raw.groups is not None:
            patients += zip(raw.ids, raw.groups, strict=True)
    for asked in (sets.get("test/unknown"), sets.get("test/generated")):
        if asked is not None and asked.labels is not None:
            truth = zip(asked.ids, (classes[label] for label in asked.labels), strict=True)
            write_text(root / TRUTH, _table(("image", "label"), truth))
    if patients:
        write_text(root / GROUPS, _table(("image", "group"), patients))


def make_entry(
    root: str, sets: Mapping[str, RawSet], facts: Mapping[str, Any], pools: str = ""
) -> dict[str, Any]:
    """Return what datasets.yaml says of a data set that :func:`write_sets` wrote.

    Args:
        root: its folder, as seen from datasets.yaml.
        sets: its sets.
        facts: further keys; those that are ``None`` are left out.
        pools: the folder below ``root`` in which the pools were written, if not ``root`` itself.
    """
    task = "membership" if "test/unknown" in sets else "attribution"
    entry: dict[str, Any] = {
        "task": task,
        "layout": f"imageclef-2025-{task}",
        "root": root,
        "truth": TRUTH,
    }
    if pools:
        folders = {split: f"{pools}/{FOLDERS[f'{split}/generated']}" for split in ("train", "test")}
        entry["splits"] = {split: {"generated": folder} for split, folder in folders.items()}
    if any(raw.groups is not None for raw in sets.values()):
        entry["groups"] = GROUPS
    if "null" in sets:
        entry["null_pool"] = f"{pools}/{FOLDERS['null']}".lstrip("/")
    return entry | {key: value for key, value in facts.items() if value is not None}


def write_entries(folder: Path, entries: Mapping[str, Any]) -> None:
    """Write the datasets.yaml of a folder."""
    text = yaml.safe_dump(dict(entries), sort_keys=False, allow_unicode=True)
    write_text(folder / ENTRIES, text)


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the card of a finished folder as JSON and as Markdown, with a digest of every file."""
    files = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_json(folder / CARD, {"schema": 1, **card, "files": files})
    write_text(folder / CARD_TEXT, _markdown(card, len(files)))


def describe_sets(sets: Mapping[str, RawSet]) -> dict[str, dict[str, int]]:
    """Return how many images and patients each set has, and how many of them are members."""
    described = {}
    for name, raw in sets.items():
        facts = {"images": len(raw.ids)}
        if raw.groups is not None:
            facts["patients"] = len(set(raw.groups))
        if name == "test/unknown" and raw.labels is not None:
            facts["members"] = sum(raw.labels)
        described[name] = facts
    return described


def _folder(name: str) -> str:
    """Return the folder of a set; those of the subsets of attribution go by their class."""
    return FOLDERS.get(name) or name.replace("train/generated/", "train/generated/gen_")


def _table(header: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *sorted(rows, key=lambda row: row[0])])
    return text.getvalue()


def _markdown(card: Mapping[str, Any], files: int) -> str:
    lines = [f"# {card['name']}", "", str(card["summary"])]
    for key, value in card.items():
        if key not in ("name", "summary"):
            lines += ["", f"## {key.replace('_', ' ').capitalize()}", ""]
            lines += _items(value) if isinstance(value, dict) else [_phrase(value)]
    lines += ["", f"The digests of the {files} files are in `{CARD}`."]
    return "\n".join(lines) + "\n"


def _items(values: Mapping[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict) and any(
            isinstance(below, (dict, list)) for below in value.values()
        ):
            lines += [f"{indent}* {key}", *_items(value, indent + "  ")]
        elif isinstance(value, list):
            lines += [f"{indent}* {key}", *(f"{indent}  * {_phrase(below)}" for below in value)]
        else:
            lines.append(f"{indent}* {key}: {_phrase(value)}")
    return lines


def _phrase(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_phrase(below)}" for key, below in value.items())
    return value if isinstance(value, str) else json.dumps(value)
