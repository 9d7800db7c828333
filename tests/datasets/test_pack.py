"""A pack is complete or absent, says nothing by its order, and is written once."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.images import pixel_digest
from harness.datasets.pack import Pack, PackedSet, open_pack
from harness.datasets.recipe import RawSet

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 6), np.uint8)
RAW = RawSet(("e", "d", "c", "b", "a"), PIXELS, (0, 1, 0, 1, 0), ("p", "p", "q", "q", "r"))


def make() -> Iterator[tuple[str, RawSet]]:
    yield "train/used", RAW
    yield "null", RawSet(("x", "y"), PIXELS[:2])


def content(sets: Iterable[PackedSet]) -> str:
    return "+".join(part.name for part in sets)


def opened() -> Pack:
    return open_pack("signature", make, content)


def never() -> Iterator[tuple[str, RawSet]]:
    pytest.fail("the pack was made again")
    yield "null", RAW


def test_a_set_keeps_each_image_with_all_that_is_known_of_it() -> None:
    found = opened().sets["train/used"]
    pixels = found.pixels()
    for row, name in enumerate(found.ids):
        source = RAW.ids.index(name)
        np.testing.assert_array_equal(pixels[row], PIXELS[source])
        assert found.digests[row] == pixel_digest(PIXELS[source]).hex()
        assert found.labels is not None
        assert found.labels[row] == RAW.labels[source]  # type: ignore[index]
        assert found.groups is not None
        assert found.groups[row] == RAW.groups[source]  # type: ignore[index]
    assert len(found) == 5
    assert (opened().sets["null"].labels, opened().sets["null"].groups) == (None, None)


def test_images_are_ordered_by_their_pixels_alone() -> None:
    found = opened().sets["train/used"]
    assert list(found.digests) == sorted(found.digests)
    reverse = RawSet(RAW.ids, PIXELS[::-1].copy())
    other = open_pack("other", lambda: [("null", reverse)], content).sets["null"]
    np.testing.assert_array_equal(found.pixels(), other.pixels())
    assert found.digest == other.digest


def test_equal_images_are_ordered_by_id() -> None:
    twins = RawSet(("b", "c", "a"), np.zeros((3, 2, 2), np.uint8))
    assert open_pack("twins", lambda: [("null", twins)], content).sets["null"].ids == tuple("abc")


def test_pixels_are_a_read_only_map() -> None:
    pixels = opened().sets["null"].pixels()
    assert isinstance(pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


def test_a_digest_of_a_set_changes_with_its_pixels() -> None:
    sets = opened().sets
    assert sets["train/used"].digest != sets["null"].digest


def test_a_pack_is_written_once(cache: Path) -> None:
    first = opened()
    again = open_pack("signature", never, content)
    assert again.fingerprint == first.fingerprint == "train/used+null"
    assert list(again.sets) == ["train/used", "null"]
    assert again.sets["train/used"].ids == first.sets["train/used"].ids
    assert sorted(path.name for path in (cache / "packs/signature").iterdir()) == [
        "index.json",
        "null.npy",
        "train.used.npy",
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def swap_order(path: Path) -> None:
    np.save(path, np.load(path).astype(np.int16))


def drop_an_id(path: Path) -> None:
    index = json.loads(path.read_text())
    index["sets"][0]["ids"].pop()
    path.write_text(json.dumps(index))


def age(path: Path) -> None:
    path.write_text(path.read_text().replace('"schema":1', '"schema":0'))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("index.json", cut),
        ("index.json", Path.unlink),
        ("index.json", drop_an_id),
        ("index.json", age),
        ("train.used.npy", cut),
        ("train.used.npy", Path.unlink),
        ("train.used.npy", swap_order),
        ("null.npy", lambda path: path.write_bytes(b"")),
    ],
)
def test_a_damaged_pack_counts_as_absent_and_is_made_again(
    cache: Path, name: str, damage: Callable[[Path], object]
) -> None:
    before = opened().sets["train/used"].pixels().copy()
    damage(cache / "packs/signature" / name)
    np.testing.assert_array_equal(opened().sets["train/used"].pixels(), before)
    assert open_pack("signature", never, content).fingerprint == "train/used+null"
    assert [path.name for path in (cache / "packs").iterdir()] == ["signature"]


def test_a_file_in_the_place_of_a_pack_is_replaced(cache: Path) -> None:
    (cache / "packs").mkdir(parents=True)
    (cache / "packs/signature").write_text("")
    assert len(opened().sets) == 2


@pytest.mark.parametrize("damaged", [False, True])
def test_two_at_once_both_succeed(cache: Path, damaged: bool) -> None:
    if damaged:
        opened()
        cut(cache / "packs/signature/null.npy")
    together = threading.Barrier(2)
    packs: list[Pack] = []

    def slowly() -> Iterator[tuple[str, RawSet]]:
        with suppress(threading.BrokenBarrierError):  # if one of them has to begin again
            together.wait(timeout=5)
        yield from make()

    def work() -> None:
        packs.append(open_pack("signature", slowly, content))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(packs) == 2
    first, second = (pack.sets["null"].pixels() for pack in packs)
    np.testing.assert_array_equal(first, second)
    assert [path.name for path in (cache / "packs").iterdir()] == ["signature"]


def test_a_failure_leaves_nothing_behind(cache: Path) -> None:
    def fails() -> Iterator[tuple[str, RawSet]]:
        yield from make()
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        open_pack("signature", fails, content)
    assert list((cache / "packs").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file"))
    refused(opened, tmp_path / "file", "BENCH_CACHE")
