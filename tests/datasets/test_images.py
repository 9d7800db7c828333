"""One rule from files to grey pixels, and one line for every file outside it."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from harness.datasets.image_options import ImageOptions
from harness.datasets.images import decode, pixel_digest, read_images

Refused = Callable[..., str]
Save = Callable[..., None]

GREY = np.array([[0, 10, 20], [100, 200, 255]], np.uint8)


def saved(path: Path, image: Image.Image | NDArray[np.generic], **options: Any) -> Path:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def test_colour_becomes_bt601_luma(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    expected = [[76, 150, 29, 9]]
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.png", colours)), expected)


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_16_bit_grey_is_scaled_and_rounded(
    tmp_path_factory: pytest.TempPathFactory, values: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "sixteen.png"
    deep = np.array([values], np.uint16)
    np.testing.assert_array_equal(decode(saved(path, deep)), np.round(deep / 257))


def test_a_file_that_is_gone_is_refused(tmp_path: Path, refused: Refused) -> None:
    refused(lambda: decode(tmp_path / "none.png"), tmp_path / "none.png", "No such file")


def test_size_resizes_to_a_square_with_antialiasing(tmp_path: Path) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 16))
    found = decode(saved(tmp_path / "a.png", stripes), 8)
    assert found.shape == (8, 8)
    np.testing.assert_allclose(found[:, 1:-1], 127, atol=1)


def test_size_leaves_an_image_of_that_size_alone(tmp_path: Path) -> None:
    square = GREY[:, :2]
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.png", square), 2), square)


def test_read_images_keeps_the_order_and_shows_progress(tmp_path: Path, save: Save) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(30)]
    for number, path in enumerate(paths):
        save(path, number)
    seen = []

    def track(items: Sequence[Path]) -> Iterable[Path]:
        assert len(items) == 30
        for item in items:
            seen.append(item)
            yield item

    pixels = read_images(paths, track=track).pixels
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, [decode(path) for path in paths])
    assert seen == paths


def test_the_first_of_several_flaws_is_named(tmp_path: Path, save: Save, refused: Refused) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    for number, path in enumerate(paths):
        save(path, number)
    for number in (19, 7, 11):
        paths[number].write_bytes(b"")
    for _ in range(5):
        refused(lambda: read_images(paths), paths[7])


def test_images_of_differing_sizes_are_refused_unless_resized(
    tmp_path: Path, save: Save, refused: Refused
) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    save(first, 1, (8, 8))
    save(second, 2, (8, 9))
    refused(lambda: read_images([first, second]), first, "8x8", second, "9x8", "image: {size: N}")
    refused(lambda: read_images([first], like=second), first, second)
    assert read_images([first, second], ImageOptions(size=4)).pixels.shape == (2, 4, 4)


def test_a_digest_names_pixels_and_shape() -> None:
    digests = [
        pixel_digest(GREY),
        pixel_digest(GREY.reshape(3, 2)),
        pixel_digest(GREY + np.uint8(1)),
    ]
    assert len(set(digests)) == 3
    assert pixel_digest(np.asfortranarray(GREY)) == digests[0]
    assert len(digests[0]) == 32
