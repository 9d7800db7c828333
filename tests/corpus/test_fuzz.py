"""Mutations of sound files: a reader answers or says one line, and nothing else comes out of it.

``BENCH_FUZZ=20000`` tries that many of each kind, which takes a quarter of an hour.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus import archives, documents, pictures, records, scans, tables
from corpus.kinds import LONGEST
from harness.board.board import read_boards
from harness.board.published import read_published
from harness.datasets import embedded
from harness.datasets.catalogue import read_entries
from harness.datasets.embedded import EmbeddedRecipe
from harness.datasets.image_options import ImageOptions, Slices, Window
from harness.datasets.images import decode, read_images
from harness.datasets.table import Table
from harness.datasets.unpacking import unpack_npz
from harness.errors import BenchError
from harness.files import shipped
from harness.running.records import RecordStore
from harness.scoring.runfile import read_run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # remarks are no flaws
fuzzed = settings(
    max_examples=int(os.environ.get("BENCH_FUZZ", "700")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)

YAML = """\
ct64:
  task: membership
  layout: folders
  root: ct64
  splits: {train: {generated: a, used: b, not_used: c}, test: {generated: d, unknown: e}}
  truth: test/truth.csv
  groups: groups.csv
  null_pool: null/generated
  image: {size: 64, percentiles: [0.5, 99.5], slices: {axis: axial, rule: every, step: 2}}
  default: true
  source: https://example.org
  fetch: {download: {url: 'http://x/y', md5: '00000000000000000000000000000000', unpack: zip}}
  comparable_to: [2025-membership]
made:
  task: attribution
  layout: pack
  fetch: {phantom: {seed: 1, generated: {train: 6, null: 4}}}
"""
IN_YAML = "\t \n : - { } [ ] & * ! | > ' \" # % @ , ? << *a &a !!int ../ .nan .inf 0x1 1_0 010 1:30"
IN_TABLES = ", ; \n \r \" ' . 0 1 nan inf 1e999 -0 q_1 q_2.png \0 \ufeff \u0430 ../"
IN_JSON = '{ } [ ] " : , null true -1 0.5 1e999 NaN "ok" "timeout" "../x" \\ud800 "seed" "value" {}'
NUMBERS = [bytes(size) for size in (1, 2, 4)] + [b"\xff" * size for size in (1, 2, 4)]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    """Cut, repeat, replace and insert in a sound file, a few times."""
    raw = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 20)) | st.just(start))
        there = st.sampled_from([b"", raw[start:end] * 2, raw[start:end][::-1], raw[start:]])
        new = draw(st.sampled_from(pieces) | st.binary(max_size=3) | there)
        raw = raw[:start] + new + raw[end:]
    return raw


def words(text: str) -> list[bytes]:
    return [word.encode() for word in text.split(" ") if word]


def answers(read: Callable[[], object], named: object) -> None:
    """Read: whatever else than an answer comes out is one line that names the file."""
    line = None
    try:
        read()
    except BenchError as error:
        line = str(error)
    if line is not None:
        assert str(named) in line
        assert line.isprintable()
        assert len(line) < LONGEST + 2 * len(str(named))


@fuzzed
@given(raw=mutated([YAML.encode(), documents.GOOD.encode()], words(IN_YAML)) | st.binary())
def test_documents(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "datasets.yaml"
    file.write_bytes(raw)
    answers(lambda: read_entries(file), file)


@fuzzed
@given(raw=mutated([t.encode() for t in tables.SOUND.values()], words(IN_TABLES)) | st.binary())
def test_tables(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(raw)
    images = [tmp_path / name for name in tables.NAMES]
    truth = Table(file, "label", "0 or 1", {"0": 0, "1": 1}.get, complete=True)
    answers(lambda: truth.read(images, tmp_path), file)
    groups = Table(file, "group", "the name of a group", lambda text: text or None)
    answers(lambda: groups.read(images, tmp_path), file)
    answers(lambda: read_run(file, tables.NAMES), file)
    answers(lambda: read_run(file, tables.NAMES, ["t1", "t2"]), file)


@fuzzed
@given(
    raw=mutated(
        [path.read_bytes() for path in shipped("leaderboards", "published").glob("*.csv")],
        words(IN_TABLES),
    )
)
def test_published_tables(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "2025-membership.csv").write_bytes(raw)
    answers(lambda: read_published(tmp_path), tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["ok", "../x", "é"]),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=3), below),
    max_leaves=4,
)

PLACES = [(), ("method",), ("dataset",), ("metrics",), ("metrics", "kappa")]


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """Replace values of a record by others, of the right kind or not."""
    record = json.loads(records.TEXT)
    for keys in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        place = record
        for key in keys:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict) and place:
            place[draw(st.sampled_from(sorted(place)))] = draw(JSON)
    return json.dumps(record).encode()


@fuzzed
@given(raw=mutated([records.TEXT.encode()], words(IN_JSON)) | forged() | st.binary())
def test_records(tmp_path: Path, raw: bytes) -> None:
    store = RecordStore(tmp_path)
    path = tmp_path / "small/guess@official-demo-0.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw)
    answers(lambda: read_boards(store, "small"), path)


NAMES = ["../x", "/x", "train", "a\nb", "train/generated/0.PNG", "a/" * 200 + "b", "C:\\x", "."]


@st.composite
def repacked(draw: st.DrawFn) -> bytes:
    """Zip a pack whose members were spoilt before, or whose bytes were after."""
    members = archives.members()
    at = draw(st.integers(0, len(members) - 1))
    name, content = members[at]
    if draw(st.booleans()):
        members[at] = f"{archives.NAME}/{draw(st.sampled_from(NAMES) | st.text())}", content
    else:
        members[at] = name, draw(mutated([content], words(IN_JSON + " " + IN_YAML)))
    raw = archives.zipped(*members, how=draw(st.sampled_from([0, 8, 12, 14])))
    return draw(st.just(raw) | mutated([raw], NUMBERS))


@fuzzed
@given(raw=repacked())
def test_packs(tmp_path: Path, raw: bytes) -> None:
    cache = tmp_path / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    (tmp_path / "odd.zip").write_bytes(raw)
    recipe = EmbeddedRecipe(pack=archives.NAME, entry=archives.ENTRY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(cache))
        patch.setattr(embedded, "shipped", lambda *parts: tmp_path / parts[-1])
        answers(lambda: (recipe.digest, recipe.make()), tmp_path)


ARRAY = archives.npy("(2, 8, 8)", archives.STACK.tobytes())
IN_HEADERS = "( ) , ' { } - 1 9999999 0 None True <f4 |O lambda f'{1}' \" # \\"


@fuzzed
@given(raw=mutated([ARRAY], [*words(IN_HEADERS), *NUMBERS]))
def test_arrays(tmp_path: Path, raw: bytes) -> None:
    archive, into = tmp_path / "odd.npz", tmp_path / "into"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    archive.write_bytes(archives.zipped(("a.npy", raw)))
    answers(lambda: unpack_npz(archive, into, lambda *_: None), archive)


PICTURES = {"png": pictures.PNG, "jpg": pictures.JPEG, "tif": pictures.TIFF}


@fuzzed
@given(ending=st.sampled_from(sorted(PICTURES)), data=st.data())
def test_pictures(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    path = tmp_path / f"odd.{ending}"
    path.write_bytes(data.draw(mutated([PICTURES[ending]], NUMBERS)))
    answers(lambda: decode(path, 16), path)


SCANS = {"dcm": scans.DICOM, "nii": scans.VOLUME, "nii.gz": scans.PACKED}
SLICES = Slices(axis=2, rule="middle")
AS_THEY_ARE = ImageOptions(size=8, window=Window(center=127.5, width=255), slices=SLICES)


@fuzzed
@given(ending=st.sampled_from(sorted(SCANS)), data=st.data())
def test_scans(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    path = tmp_path / f"odd.{ending}"
    path.write_bytes(data.draw(mutated([SCANS[ending]], NUMBERS)))
    answers(lambda: read_images([path], AS_THEY_ARE), path)
