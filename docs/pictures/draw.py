"""Draws the pictures of README and docs, from embedded data sets and working records.

``make pictures`` runs every method on the ladder first.
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from harness.board.board import Board, Row, read_boards
from harness.datasets.catalogue import Catalogue
from harness.datasets.dataset import Dataset, open_dataset
from harness.features.neighbours import nearest
from harness.files import results_dir
from harness.plugins import load_trusted
from harness.running.records import RecordStore

mpl.use("Agg")
from matplotlib import pyplot as plt

mpl.rcParams["svg.hashsalt"] = "fingerprint-bench"  # the same drawing is the same file

HERE = Path(__file__).parent
STAGES = {f"phantom-gan-{n}": done for n, done in enumerate((100, 400, 1000, 2500, 6000), start=1)}
MEMBERS = {f"members-{n}": n for n in (50, 200, 1000)}
COLUMNS, SCALE, LABEL = 10, 1.25, 150


def main() -> None:
    """Draw every picture."""
    trusted = load_trusted()
    catalogue = Catalogue(trusted.dataset_files())
    recipes = trusted.recipes()
    stages = {name: open_dataset(catalogue.get(name), recipes) for name in STAGES}
    contact_sheet(stages).save(HERE / "phantoms.png", optimize=True)
    ladder(HERE / "ladder.svg")
    members(HERE / "members.svg")


def contact_sheet(stages: dict[str, Dataset]) -> Image.Image:
    """Return phantoms, samples of three stages, and members with their nearest samples."""
    last = stages["phantom-gan-5"]
    rows = {"phantom patients": last.sets["train/not_used"].pixels()[:COLUMNS]}
    for name in ("phantom-gan-1", "phantom-gan-3", "phantom-gan-5"):
        label = f"GAN, {STAGES[name]:,} iterations"
        rows[label] = stages[name].sets["train/generated"].pixels()[:COLUMNS]
    pool = np.concatenate([last.sets[f"{split}/generated"].pixels() for split in ("train", "test")])
    for name, label in (("train/used", "members"), ("train/not_used", "non-members")):
        reals, found = most_alike(last.sets[name].pixels(), pool)
        rows[label] = reals
        rows[f"nearest to {label}"] = found
    return stacked(rows)


def most_alike(
    reals: NDArray[np.uint8], pool: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the reals that correlate most with an image of the pool, and that image of each."""
    flat, others = (images.reshape(len(images), -1) for images in (reals, pool))
    values, places = nearest(flat, others, "correlation")
    best = np.argsort(-values[:, 0])[:COLUMNS]
    return reals[best], pool[places[best, 0]]


def stacked(rows: dict[str, NDArray[np.uint8]]) -> Image.Image:
    """Return rows of images below each other, each with its label."""
    side = round(SCALE * next(iter(rows.values())).shape[1])
    sheet = Image.new("L", (LABEL + COLUMNS * side, len(rows) * side), 255)
    draw = ImageDraw.Draw(sheet)
    for number, (label, images) in enumerate(rows.items()):
        draw.text((6, number * side + side // 2 - 6), label, fill=0)
        for column, pixels in enumerate(images):
            picture = Image.fromarray(np.asarray(pixels)).resize(
                (side, side), Image.Resampling.BICUBIC
            )
            sheet.paste(picture, (LABEL + column * side, number * side))
    return sheet


def ladder(path: Path) -> None:
    """Draw every method's AUC over the stages, and its AUC against the null pool."""
    draw_curves(path, STAGES, "iterations of the generator")


def members(path: Path) -> None:
    """Draw AUCs over the number of members that a generator was trained on."""
    draw_curves(path, MEMBERS, "members that trained the generator")


def draw_curves(path: Path, places: dict[str, int], axis: str) -> None:
    """Draw every method of the last of some data sets, over what ``places`` has of each."""
    store = RecordStore(results_dir())
    boards = {name: read_boards(store, name)[0] for name in places}
    methods = [row.method for row in [*boards.values()][-1].rows if not row.control]
    columns = min(5 if len(methods) <= 25 else 8, len(methods))
    lines = -(-len(methods) // columns)
    figure, panels = plt.subplots(
        lines,
        columns,
        figsize=(2.4 * columns, 2.0 * lines),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for panel in panels.flat[max(0, len(methods) - columns) :]:
        panel.tick_params(labelbottom=True)  # nothing may be below it
    for panel, method in zip(panels.flat, methods, strict=False):
        curve(panel, boards, places, method)
    for panel in panels.flat[len(methods) :]:
        panel.axis("off")
    figure.supxlabel(axis, fontsize=10)
    figure.supylabel("AUC", fontsize=10)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def curve(panel: plt.Axes, boards: dict[str, Board], places: dict[str, int], method: str) -> None:
    """Draw one method."""
    for metric, colour, label in (
        ("auc", "#0b5394", "the generator's own pool"),
        ("auc_null_pool", "#b45f06", "null pool"),
    ):
        figures = [row_of(board, method).metrics.get(metric) for board in boards.values()]
        known = [
            (done, f) for done, f in zip(places.values(), figures, strict=True) if f and f.value
        ]
        done = [at for at, _ in known]
        panel.plot(done, [f.value for _, f in known], "o-", color=colour, label=label, ms=3)
        low, high = ([getattr(f, end) for _, f in known] for end in ("low", "high"))
        if None not in (*low, *high):
            panel.fill_between(done, low, high, color=colour, alpha=0.15, lw=0)
    panel.axhline(0.5, color="black", lw=0.6, ls=":")
    panel.set(xscale="log", ylim=(0.2, 1), title=method)
    panel.set_xticks(list(places.values()), [re.sub("000$", "k", str(n)) for n in places.values()])
    panel.minorticks_off()
    panel.title.set_size(8)


def row_of(board: Board, method: str) -> Row:
    """Return a method's row."""
    return next(row for row in board.rows if row.method == method)


if __name__ == "__main__":
    main()
