"""One rule from files to grey pixels, and one line for every file outside it."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from harness.datasets.image_options import ImageOptions
from harness.datasets.images import decode, pixel_digest, read_images
from harness.errors import BenchError

Refused = Callable[..., str]
Save = Callable[..., None]

GREY = np.array([[0, 10, 20], [100, 200, 255]], np.uint8)


def saved(path: Path, image: Image.Image | NDArray[np.generic], **options: Any) -> Path:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_8_bit_grey_is_taken_as_it_is(tmp_path: Path, ending: str) -> None:
    pixels = decode(saved(tmp_path / f"a.{ending}", GREY))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, GREY)


def test_jpeg_grey_is_taken_as_decoded(tmp_path: Path) -> None:
    flat = np.full((16, 8), 77, np.uint8)
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.jpg", flat)), flat)


def test_1_bit_becomes_black_and_white(tmp_path: Path) -> None:
    bits = GREY > 50
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.png", bits)), bits * np.uint8(255))


def test_colour_becomes_bt601_luma(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    expected = [[76, 150, 29, 9]]
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.png", colours)), expected)


def test_a_grey_palette_gives_back_its_greys(tmp_path: Path) -> None:
    image = Image.fromarray(GREY).convert("P")
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.png", image)), GREY)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_print_and_video_colours_go_through_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (4, 3), (200, 30, 90)).convert(mode)
    found = decode(saved(tmp_path / "a.tif", image))
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB").convert("L")))


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("LA", (200, 128), 100), ("RGBA", (200, 200, 200, 128), 100), ("RGBA", (9, 9, 9, 0), 0)],
)
def test_alpha_lies_over_black(
    tmp_path: Path, mode: str, colour: tuple[int, ...], expected: int
) -> None:
    found = decode(saved(tmp_path / "a.png", Image.new(mode, (2, 2), colour)))
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_transparent_grey_or_palette_colour_lies_over_black(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(GREY).convert(mode)
    path = saved(tmp_path / "a.png", image, transparency=image.getpixel((1, 1)))
    np.testing.assert_array_equal(decode(path), np.where(GREY == 200, 0, GREY))


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_16_bit_grey_is_scaled_and_rounded(
    tmp_path_factory: pytest.TempPathFactory, values: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "sixteen.png"
    deep = np.array([values], np.uint16)
    np.testing.assert_array_equal(decode(saved(path, deep)), np.round(deep / 257))


def test_16_bit_grey_of_either_byte_order(tmp_path: Path) -> None:
    deep = np.array([[0, 128, 129, 65535]], ">u2")
    big = Image.frombytes("I;16B", (4, 1), deep.tobytes())
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.tif", big)), [[0, 0, 1, 255]])


def test_32_bit_integers_count_as_16_bit_grey(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 65535]], np.int32)
    np.testing.assert_array_equal(decode(saved(tmp_path / "a.tif", deep)), [[0, 1, 255]])


@pytest.mark.parametrize("value", [-1, 65536])
def test_integers_outside_16_bits_are_refused(tmp_path: Path, refused: Refused, value: int) -> None:
    path = saved(tmp_path / "a.tif", np.array([[0, value]], np.int32))
    refused(lambda: decode(path), path, value, "0..65535")


def test_16_bit_grey_with_white_as_zero_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = saved(tmp_path / "a.tif", np.array([[0, 65535]], np.uint16))
    photometric = bytes.fromhex("0601 0300 01000000")  # tag 262, a short, one value
    raw = path.read_bytes()
    assert photometric + b"\x01" in raw
    path.write_bytes(raw.replace(photometric + b"\x01", photometric + b"\x00"))
    refused(lambda: decode(path), path, "white as zero")


def test_float_images_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = saved(tmp_path / "a.tif", GREY.astype(np.float32))
    refused(lambda: decode(path), path, "mode F", "save it as")


def test_other_colour_spaces_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = saved(tmp_path / "a.tif", Image.new("LAB", (2, 2)))
    refused(lambda: decode(path), path, "mode LAB", "save it as")


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_files_of_several_frames_are_refused(tmp_path: Path, refused: Refused, ending: str) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    path = saved(tmp_path / f"a.{ending}", frames[0], save_all=True, append_images=frames[1:])
    refused(lambda: decode(path), path, "several frames")


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.png", GREY, exif=exif)
    np.testing.assert_array_equal(decode(path), GREY)


@pytest.mark.parametrize("content", [b"", b"not an image", b"GIF89a", b"\x89PNG\r\n\x1a\n\x00"])
def test_what_is_no_image_is_refused(tmp_path: Path, refused: Refused, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    refused(lambda: decode(path), path, "cannot be decoded")


def test_another_format_under_a_familiar_name_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = saved(tmp_path / "a.png", GREY, format="GIF")
    refused(lambda: decode(path), path, "cannot be decoded")


def test_a_file_that_is_gone_is_refused(tmp_path: Path, refused: Refused) -> None:
    refused(lambda: decode(tmp_path / "none.png"), tmp_path / "none.png", "No such file")


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_a_truncated_file_is_refused(
    tmp_path: Path, refused: Refused, save: Save, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    save(path, 1, (64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(lambda: decode(path), path, "cannot be decoded")


@settings(max_examples=60, deadline=None)
@given(
    position=st.integers(0, 500), value=st.integers(0, 255), ending=st.sampled_from(["png", "tif"])
)
def test_a_damaged_byte_gives_pixels_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, ending: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged.{ending}"
    saved(path, np.arange(256, dtype=np.uint8).reshape(16, 16))
    raw = bytearray(path.read_bytes())
    raw[position % len(raw)] = value
    path.write_bytes(raw)
    message = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert decode(path, 16).shape == (16, 16)
        except BenchError as error:
            message = str(error)
    assert message is None or (str(path) in message and len(message.splitlines()) == 1)


@pytest.mark.parametrize("pixels", [5, 2])
def test_a_decompression_bomb_is_refused(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    path = saved(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
    refused(lambda: decode(path), path, f"more than {pixels} pixels")


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


def test_an_oddity_in_the_tags_is_no_flaw(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "a description"
    path = saved(tmp_path / "a.tif", GREY, tiffinfo=tags)
    np.testing.assert_array_equal(decode(path), GREY)
