"""The same through the real command line: exit 2, one line on standard error, nothing written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from corpus import documents, pictures, records, tables
from corpus.ward import ENTRY, lay_out

RUN = ("run", "-m", "random", "--datasets", "datasets.yaml", "-d", "ward")


def spoil(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (spoil("ward/train/real_used/a.png", pictures.BOMB), "real_used/a.png: has more than"),
        (spoil("ward/train/real_used/q_1.png", pictures.PNG[:-30]), "real_used/q_1.png: cannot be"),
        (spoil("ward/train/real_used/a\nb.png", b""), r"'a\nb.png'; rename it"),
        (spoil("ward/truth.csv", tables.PLAIN.encode("utf-16")), "truth.csv: is not UTF-8"),
        (spoil("datasets.yaml", documents.BILLION.encode()), "aliases are not allowed"),
    ],
    ids=["bomb", "truncated", "newline", "UTF-16", "aliases"],
)
def test_a_run_on_bad_input(bench, make, named):
    lay_out(bench.folder / "ward")
    (bench.folder / "ward/truth.csv").write_text(tables.PLAIN)
    (bench.folder / "datasets.yaml").write_text(ENTRY % ", truth: truth.csv")
    make(bench.folder)
    assert named in bench.refused(*RUN)
    assert not (bench.folder / "results").exists()
    assert not list((bench.folder / "cache").rglob("index.json"))


def test_boards_of_a_record_that_is_cut_off(bench):
    path = bench.folder / "results/small/guess@official-demo-0.json"
    path.parent.mkdir(parents=True)
    path.write_text(records.TEXT[:99])
    for verb in ("board", "publish"):
        assert f"{path.relative_to(bench.folder)}: is no record" in bench.refused(verb)
    assert not (bench.folder / "leaderboards").exists()
