"""Image files as grey pixels, by one stated rule.

* 8-bit grey is taken as it is; 1-bit becomes 0 and 255.
* Colour and palette become luma by ITU-R BT.601 (Pillow's mode ``L``), CMYK and YCbCr through RGB.
* Alpha is composited over black.
* 16-bit grey becomes ``round(value / 257)``. 32-bit integers count as 16-bit grey when they all
  lie in 0..65535. The channels of a 16-bit colour file are read by their high bytes.
* Float images, 16-bit grey with white as zero, files of several frames and everything else are
  refused.
* The EXIF orientation is not applied.
* DICOM and NIfTI files have a rule of their own, in :mod:`harness.datasets.medical`.
* ``size`` resizes to a square (bilinear, antialiased, after the conversion to 8 bit); an image that
  is not square changes its proportions.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from harness.datasets.image_options import ImageOptions
from harness.datasets.medical import (
    DICOM_ENDINGS,
    NIFTI_ENDINGS,
    is_dicom,
    is_nifti,
    nifti_ids,
    read_dicom,
    read_nifti,
)
from harness.datasets.quiet import quiet
from harness.errors import BenchError, said_by
from harness.machine import cores

Track = Callable[[Sequence[Path]], Iterable[Path]]

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", *DICOM_ENDINGS, *NIFTI_ENDINGS)
_FORMATS = ("PNG", "JPEG", "TIFF")
_AS_STORED = ImageOptions()
_BILEVEL_OR_COLOUR = frozenset({"1", "P", "RGB", "CMYK", "YCbCr"})
_INTEGER = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # of TIFF; Pillow inverts such images at 8 bits only


def decode(path: Path, size: int | None = None) -> NDArray[np.uint8]:
    """Decode one PNG, JPEG or TIFF file by the rule of this module.

    Args:
        path: the file.
        size: side length in pixels to resize to; ``None`` keeps the image as it is.

    Returns:
        (H, W) uint8, or (size, size) uint8.

    Raises:
        BenchError: The file is damaged, no image of these formats, or outside the rule.
    """
    try:
        with _open(path) as image:
            grey = _grey(image)
            if size is not None:
                grey = _resized(grey, size)
            return np.asarray(grey)
    except _OutsideRuleError as error:
        raise BenchError(f"{path}: {error}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS
        raise BenchError(
            f"{path}: has more than {limit} pixels; replace it by a smaller image"
        ) from error
    except Exception as error:  # what Pillow raises for a damaged file depends on the damage
        reason = said_by(error)
        raise BenchError(
            f"{path}: cannot be decoded as PNG, JPEG or TIFF ({reason}); replace or remove it"
        ) from error


@dataclass(frozen=True, eq=False)
class Images:
    """The images of several files, file by file."""

    ids: tuple[str, ...]  # the file's name, or that and the slice
    files: tuple[int, ...]  # the position of each image's file
    pixels: NDArray[np.uint8]  # (N, H, W)


def read_images(
    paths: Sequence[Path],
    options: ImageOptions = _AS_STORED,
    track: Track | None = None,
    like: Path | None = None,
) -> Images:
    """Decode files of any kind in parallel, in the order of ``paths``.

    Args:
        paths: at least one file.
        options: how they are decoded; without a size they must have one size.
        track: wraps ``paths`` to show progress.
        like: without a size, the file whose size all must have; the first by default.

    Raises:
        BenchError: A file cannot be decoded or, without a size, has another size. Of several
            flaws the one that comes first in ``paths`` is named.
    """
    like = like or paths[0]
    names = [_image_ids(path, options) for path in paths]
    starts = [0, *accumulate(map(len, names))]
    pixels = np.empty((starts[-1], *_read(like, options).shape[1:]), np.uint8)

    def fill(file: int) -> None:
        images = _read(paths[file], options)
        if images.shape[1:] != pixels.shape[1:]:
            raise BenchError(_size_flaw(like, pixels.shape[1:], paths[file], images.shape[1:]))
        pixels[starts[file] : starts[file + 1]] = images

    pool = ThreadPoolExecutor(min(8, cores()))
    try:
        done = pool.map(fill, range(len(paths)))
        for _ in zip(track(paths) if track else paths, done, strict=True):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    files = tuple(file for file, images in enumerate(names) for _ in images)
    return Images(tuple(name for images in names for name in images), files, pixels)


def pixel_digest(image: NDArray[np.uint8]) -> bytes:
    """Return the SHA-256 of an (H, W) uint8 image, its shape included."""
    height, width = image.shape
    digest = hashlib.sha256(f"{height}x{width}:".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _image_ids(path: Path, options: ImageOptions) -> tuple[str, ...]:
    return nifti_ids(path, options) if is_nifti(path) else (path.name,)


def _read(path: Path, options: ImageOptions) -> NDArray[np.uint8]:
    """Return the images of one file, (N, H, W)."""
    if not (is_dicom(path) or is_nifti(path)):
        return decode(path, options.size)[np.newaxis]
    images = read_dicom(path, options) if is_dicom(path) else read_nifti(path, options)
    if options.size is None:
        return images
    return np.stack(
        [np.asarray(_resized(Image.fromarray(image), options.size)) for image in images]
    )


def _resized(image: Image.Image, size: int) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BILINEAR)


class _OutsideRuleError(Exception):
    """The file is a sound image that the rule does not cover; says why and the remedy."""


def _open(path: Path) -> ImageFile.ImageFile:
    with quiet(Image.DecompressionBombWarning):
        return Image.open(path, formats=_FORMATS)


def _grey(image: Image.Image) -> Image.Image:
    if getattr(image, "n_frames", 1) > 1:
        raise _OutsideRuleError("holds several frames; save each frame as a file of its own")
    if image.mode in _INTEGER:
        if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            raise _OutsideRuleError("stores white as zero; save it with black as zero")
        return Image.fromarray(_eight_bits(np.asarray(image)))
    if image.has_transparency_data and image.mode in {"L", "LA", "P", "PA", "RGB", "RGBA"}:
        coloured = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, coloured).convert("L")
    if image.mode == "L":
        return image
    if image.mode in _BILEVEL_OR_COLOUR:
        return image.convert("RGB").convert("L")
    raise _OutsideRuleError(
        f"has pixels of Pillow mode {image.mode}; save it as 8-bit or 16-bit grey"
    )


def _eight_bits(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Scale grey in 0..65535 to 0..255; 257 is odd, so no value lies half-way between two."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise _OutsideRuleError(
            f"has values from {low} to {high}, outside 0..65535; save it as 8-bit or 16-bit grey"
        )
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _size_flaw(first: Path, expected: tuple[int, ...], other: Path, found: tuple[int, ...]) -> str:
    sizes = [f"{width}x{height}" for height, width in (expected, found)]
    return (
        f"{other}: is {sizes[1]} but {first} is {sizes[0]}; "
        "give the entry 'image: {size: N}' to resize all images to N x N"
    )
