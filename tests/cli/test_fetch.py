"""bench fetch: from an entry or a built-in source to a folder of images."""

import hashlib
import io
import zipfile

import pytest
from serving import serving


@pytest.fixture
def site():
    with serving() as site:
        yield site


@pytest.fixture
def far(bench, site):
    """Write a datasets.yaml whose one set has to be fetched."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("train/generated/readme.png", bytes(100_000))
    site.files["far.zip"] = stream.getvalue()
    yaml = bench.folder / "far.yaml"
    yaml.write_text(
        "far:\n"
        "  task: membership\n"
        "  layout: imageclef-2025-membership\n"
        "  root: far\n"
        "  licence: CC0\n"
        "  fetch:\n"
        "    download:\n"
        f"      url: {site.url('far.zip')}\n"
        f"      sha256: {hashlib.sha256(site.files['far.zip']).hexdigest()}\n"
        "      unpack: zip\n"
    )
    return "--datasets", yaml


def available(bench, *arguments):
    rows = bench.json("list", "datasets", *arguments, "--json")
    return {row["name"]: row["available"] for row in rows}["far"]


def test_a_set_is_fetched_listed_and_kept(bench, site, far):
    assert not available(bench, *far)
    assert "bench fetch far" in bench.refused("run", "-m", "random", *far, "-d", "far")
    done = bench("fetch", "far", *far)
    assert done.stdout.strip() == str(bench.folder / "far")
    assert "CC0" in done.stderr
    assert (bench.folder / "far/train/generated/readme.png").is_file()
    assert available(bench, *far)
    assert "nothing to do" in bench("fetch", "far", *far).stderr
    assert len(site.asked) == 1
    bench("fetch", "far", *far, "--force")
    assert len(site.asked) == 2


def test_a_broken_download_goes_on(bench, site, far):
    site.cut = 90_000
    assert "same command" in bench.refused("fetch", "far", *far)
    assert not (bench.folder / "far").exists()
    bench("fetch", "far", *far)
    assert site.asked[0] is None
    assert site.asked[1].startswith("bytes=")


def test_what_cannot_be_fetched_is_refused(bench, site, far):
    site.status = 404
    assert "404" in bench.refused("fetch", "far", *far)
    assert not (bench.folder / "far").exists()
    assert "did you mean far?" in bench.refused("fetch", "fair", *far)
    assert "made on first use" in bench.refused("fetch", "phantom-null")


def test_sources_are_listed_with_their_licence(bench):
    rows = {row["name"]: row for row in bench.json("list", "sources", "--json")}
    assert rows["organamnist"]["licence"] == "CC BY 4.0"
    assert not rows["chestmnist"]["available"]
    assert "no" in bench("list", "sources").stdout
