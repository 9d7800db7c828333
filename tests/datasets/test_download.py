"""Public data: whole, checked and in their place, or one line and nothing."""

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import Site, serving

from harness.datasets import unpacking
from harness.datasets.dataset import open_dataset
from harness.datasets.download import Download, fetch
from harness.datasets.entry import Entry
from harness.datasets.images import read_images
from harness.datasets.layouts import list_images
from harness.datasets.sources import SOURCES

Refused = Callable[..., str]
EntryOf = Callable[[str], Entry]

BODY = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.files["data.bin"] = BODY
        yield site


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "set"


def silent(*_: object) -> None:
    return None


def get(download: Download, root: Path, **options: Any) -> bool:
    return fetch(download, root, silent, **options)


def of(site: Site, name: str = "data.bin", body: bytes | None = None, **options: Any) -> Download:
    """Serve ``body`` as ``name`` and return its download."""
    if body is not None:
        site.files[name] = body
    digest = hashlib.sha256(site.files[name]).hexdigest()
    return Download(url=site.url(name), sha256=digest, **options)


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def left_over(tmp_path: Path) -> list[str]:
    """Return all files there are, parts of downloads and temporary ones included."""
    return sorted(p.name for p in tmp_path.rglob("*") if p.is_file())


def test_a_file_is_fetched_once(site: Site, root: Path, tmp_path: Path) -> None:
    assert get(of(site), root)
    assert (root / "data.bin").read_bytes() == BODY
    assert left_over(tmp_path) == [".fetched.json", "data.bin"]
    mark = json.loads((root / ".fetched.json").read_text())
    assert mark["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert not get(of(site), root)
    assert len(site.asked) == 1


def test_md5_will_do_and_a_query_is_no_part_of_the_name(site: Site, root: Path) -> None:
    digest = hashlib.md5(BODY).hexdigest()
    assert get(Download(url=site.url("data.bin?download=1"), md5=digest), root)
    assert (root / "data.bin").read_bytes() == BODY


@pytest.mark.parametrize("resumes", [True, False])
def test_a_download_that_was_cut_off_goes_on(
    site: Site, root: Path, tmp_path: Path, refused: Refused, resumes: bool
) -> None:
    site.cut, site.resumes = 200_000, resumes
    refused(lambda: get(of(site), root), site.url("data.bin"), "are kept", "same command")
    assert not root.parent.exists()
    [part] = (tmp_path / "cache/downloads").iterdir()
    assert 0 < part.stat().st_size <= 200_000
    kept = part.stat().st_size
    told: list[tuple[str, int, int | None]] = []
    assert fetch(of(site), root, lambda *progress: told.append(progress))
    assert (root / "data.bin").read_bytes() == BODY
    assert site.asked == [None, f"bytes={kept}-"]
    assert told[0] == ("downloading", kept if resumes else 0, len(BODY))
    assert told[-1] == ("downloading", len(BODY), len(BODY))
    assert left_over(tmp_path) == [".fetched.json", "data.bin"]


def test_a_part_that_is_longer_than_the_file_is_dropped(
    site: Site, root: Path, tmp_path: Path, refused: Refused
) -> None:
    download, site.cut = of(site), 200_000
    refused(lambda: get(download, root), "are kept")
    site.files["data.bin"] = b"short"
    refused(lambda: get(download, root), "checksum")
    assert len(site.asked) == 3
    assert left_over(tmp_path) == []


def test_another_checksum_leaves_nothing(
    site: Site, root: Path, tmp_path: Path, refused: Refused
) -> None:
    wrong = of(site).model_copy(update={"sha256": "0" * 64})
    refused(
        lambda: get(wrong, root), site.url("data.bin"), "checksum", "0" * 64, "nothing was kept"
    )
    assert left_over(tmp_path) == []


def test_a_part_of_an_older_version_is_found_out_by_the_checksum(
    site: Site, root: Path, tmp_path: Path, refused: Refused
) -> None:
    site.files["data.bin"] = BODY[::-1]
    new = of(site)
    site.files["data.bin"], site.cut = BODY, 200_000
    refused(lambda: get(new, root), "are kept")
    site.files["data.bin"] = BODY[::-1]
    refused(lambda: get(new, root), "checksum")
    assert left_over(tmp_path) == []
    assert get(new, root)


@pytest.mark.parametrize(("status", "remedy"), [(404, "check the url"), (503, "try again later")])
def test_a_refusal_of_the_server_is_named(
    site: Site, root: Path, tmp_path: Path, refused: Refused, status: int, remedy: str
) -> None:
    site.status = status
    refused(lambda: get(of(site), root), site.url("data.bin"), str(status), remedy)
    assert left_over(tmp_path) == []


def test_without_a_server_the_network_is_to_be_checked(
    root: Path, tmp_path: Path, refused: Refused
) -> None:
    with serving() as site:
        site.files["data.bin"] = BODY
        gone = of(site)
    refused(lambda: get(gone, root), gone.url, "Connection refused", "check the network")
    assert left_over(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(
    site: Site, root: Path, refused: Refused, cache: Path
) -> None:
    cache.write_text("in the way")
    refused(lambda: get(of(site), root), cache, "BENCH_CACHE")


def test_a_zip_file_becomes_the_folder(site: Site, root: Path, tmp_path: Path) -> None:
    body = zipped(("top/a/1.txt", b"one"), ("top/b.txt", b"two"), ("top/empty/", b""))
    assert get(of(site, "x.zip", body, unpack="zip"), root)
    assert (root / "top/a/1.txt").read_bytes() == b"one"
    below = root.with_name("below")
    assert get(of(site, "x.zip", unpack="zip", folder="top"), below)
    assert left_over(below) == [".fetched.json", "1.txt", "b.txt"]
    assert (below / "a/1.txt").read_bytes() == b"one"


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("a.txt", b""), ("../evil.txt", b"")], "'../evil.txt'"),
        ([(link("a"), b"/etc"), ("a/evil.txt", b"")], "is a link"),
    ],
)
def test_an_unsafe_zip_file_is_refused_whole(
    site: Site, root: Path, tmp_path: Path, refused: Refused, members: list[Any], said: str
) -> None:
    download = of(site, "x.zip", zipped(*members), unpack="zip")
    refused(lambda: get(download, root), "x.zip", said)
    assert not root.exists()
    assert not list(tmp_path.rglob("evil.txt"))
    assert not list(tmp_path.rglob(".fetching.*"))


def test_a_decompression_bomb_is_refused(
    site: Site, root: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = of(site, "x.zip", zipped(("zeros", bytes(10**6))), unpack="zip")
    monkeypatch.setattr(unpacking, "ALWAYS_ALLOWED", 10**5)
    refused(lambda: get(download, root), "1000000 bytes", "200 times")
    assert not root.exists()


def test_an_archive_that_the_disk_cannot_hold_is_refused(
    site: Site, root: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = of(site, "x.zip", zipped(("zeros", bytes(1000))), unpack="zip")
    usage = type("Usage", (), {"free": 999})
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: usage)
    refused(lambda: get(download, root), "999 are free")


def test_a_zip_file_that_is_none_or_lacks_the_folder_is_refused(
    site: Site, root: Path, refused: Refused
) -> None:
    refused(lambda: get(of(site, unpack="zip"), root), "cannot be unpacked", "'unpack'")
    download = of(site, "x.zip", zipped(("a/b", b"")), unpack="zip", folder="c")
    refused(lambda: get(download, root), "'c'")
    assert not root.exists()


def test_arrays_become_folders_of_images(site: Site, root: Path) -> None:
    draws = np.random.default_rng(0)
    grey = draws.integers(0, 256, (12, 5, 4), np.uint8)
    colour = np.full((2, 5, 4, 3), 9, np.uint8)
    body = npz(train_images=grey, test_images=colour, train_labels=np.zeros((12, 1), np.uint8))
    assert get(of(site, "x.npz", body, unpack="npz"), root)
    assert {p.name for p in root.iterdir()} == {".fetched.json", "test_images", "train_images"}
    paths = list_images(root / "train_images", root)
    np.testing.assert_array_equal(read_images(paths).pixels, grey)
    with Image.open(root / "test_images/000001.png") as image:
        assert (image.mode, image.size) == ("RGB", (4, 5))


def test_nothing_in_an_npz_file_is_unpickled(site: Site, root: Path, refused: Refused) -> None:
    trap = np.array([Trap()], dtype=object)
    download = of(site, "x.npz", npz(trap=trap), unpack="npz")
    refused(lambda: get(download, root), "no arrays of images")
    assert not Trap.sprung


class Trap:
    sprung = False

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return spring, ("now",)


def spring(_: str) -> None:
    Trap.sprung = True


def test_what_is_there_is_kept(site: Site, root: Path, refused: Refused) -> None:
    root.mkdir(parents=True)
    (root / "mine.txt").write_text("by hand")
    assert not get(of(site), root)
    refused(lambda: get(of(site), root, force=True), root, "not made by bench fetch")
    assert (root / "mine.txt").read_text() == "by hand"
    assert site.asked == []


def test_what_was_fetched_is_replaced_by_force_only(
    site: Site, root: Path, tmp_path: Path, refused: Refused
) -> None:
    get(of(site), root)
    new = of(site, "data.bin", b"new")
    refused(lambda: get(new, root), root, "another version", "--force")
    assert (root / "data.bin").read_bytes() == BODY
    site.status = 404
    refused(lambda: get(new, root, force=True), "404")
    assert (root / "data.bin").read_bytes() == BODY
    site.status = None
    assert get(new, root, force=True)
    assert (root / "data.bin").read_bytes() == b"new"
    assert left_over(tmp_path) == [".fetched.json", "data.bin"]


def test_an_unpacked_membership_set_opens(
    site: Site, entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    members = [(f"lung/{p.relative_to(lung)}", p.read_bytes()) for p in lung.rglob("*.*")]
    download = of(site, "lung.zip", zipped(*members))
    entry = entry_of(
        "far: {task: membership, layout: imageclef-2025-membership, root: far,"
        " truth: test/truth.csv, groups: groups.csv, fetch: {download: {unpack: zip, folder: lung,"
        f" url: '{download.url}', sha256: {download.sha256}" + "}}}"
    )
    refused(lambda: open_dataset(entry, {}), "bench fetch far")
    assert entry.download is not None
    get(entry.download, entry.folder)
    assert len(open_dataset(entry, {}).sets["train/used"]) == 10


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        (
            "{download: {url: 'ftp://x/y', md5: '%s'}}" % ("0" * 32),
            "fetch.download.url",
            "must match",
        ),
        ("{download: {url: 'http://x/y'}}", "fetch.download", "needs one checksum"),
        ("{download: {url: 'http://x/y', sha256: abc}}", "fetch.download.sha256", "must match"),
        ("{download: {unpack: zip}}", "fetch.download", "lacks url"),
        ("{download: {url: 'http://x/y', unpack: rar}}", "fetch.download.unpack", "'npz'"),
        ("{download: {link: 'http://x/y'}}", "fetch.download.link", "the keys are url"),
        ("{phantom: {seed: 1}}", "fetch", "recipes are for the layout pack"),
    ],
)
def test_a_download_out_of_order_is_refused_by_key(
    entry_of: EntryOf, refused: Refused, written: str, key: str, said: str
) -> None:
    text = "x: {task: membership, layout: imageclef-2025-membership, root: x, fetch: %s}"
    refused(lambda: entry_of(text % written), "datasets.yaml:1", f"key {key!r}", said)


def test_every_source_can_be_fetched_and_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", "/data")
    for source in SOURCES:
        assert source.folder == Path("/data", source.name)
        assert source.licence
        assert source.citation
        assert source.download.file_name == f"{source.name}_64.npz"
    assert {source.name for source in SOURCES} == {"organamnist", "chestmnist"}
