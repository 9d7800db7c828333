"""Image files of every odd kind: those of the rule with their pixels, the others refused."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from corpus.kinds import Kind, holds

GREY = np.arange(0, 256, 4, np.uint8).reshape(8, 8)
NOISE = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
COLOUR = Image.new("RGB", (8, 8), (200, 30, 90))
DEEP = (GREY.astype(np.uint16) * 257)[::-1]
UNDECODED = "cannot be decoded"


def encoded(image: Any, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        stream, form, **options
    )
    return stream.getvalue()


def flat(value: int) -> np.ndarray:
    return np.full((8, 8), value, np.uint8)


def through_rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").convert("L"))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of these chunks, whatever they are."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def header(width: int, height: int, depth: int = 8, colour: int = 0) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def rows(pixels: np.ndarray) -> tuple[bytes, bytes]:
    return b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))


END = (b"IEND", b"")
BOMB = png(header(30000, 30000), (b"IDAT", zlib.compress(bytes(10**6), 9)), END)
TEXT = (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7), 9))
TEXT_BOMB = png(header(8, 8), TEXT, rows(GREY), END)
MANY_PIXELS = png(header(11000, 11000), (b"IDAT", zlib.compress(bytes(10**5), 9)), END)


def damaged(raw: bytes, at: bytes, by: bytes) -> bytes:
    assert at in raw
    return raw.replace(at, by, 1)


def flipped(raw: bytes, position: int) -> bytes:
    return raw[:position] + bytes([raw[position] ^ 0x55]) + raw[position + 1 :]


def half(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def exif(orientation: int) -> Image.Exif:
    facts = Image.Exif()
    facts[0x0112] = orientation
    return facts


def described() -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "a description"
    return tags


def frames(form: str, ending: str) -> Kind:
    others = [Image.fromarray(255 - GREY)]
    raw = encoded(GREY, form, save_all=True, append_images=others)
    return Kind(f"several frames of {form}", holds(raw), said="several frames", file=f"a.{ending}")


def read(name: str, raw: bytes, right: np.ndarray, file: str = "a.png") -> Kind:
    return Kind(name, holds(raw), right=right, file=file)


def refused(name: str, raw: bytes, said: str, file: str = "a.png") -> Kind:
    return Kind(name, holds(raw), said=said, file=file)


def placed(make: Callable[[Path], object], name: str, said: str, file: str = "a.png") -> Kind:
    return Kind(name, make, said=said, file=file)


PALETTE = Image.fromarray(GREY).convert("P")
BITS = GREY > 50
BLACK_IS_ZERO = bytes.fromhex("0601 0300 01000000 01")  # tag 262, a short, one value
WHITE_IS_ZERO = damaged(encoded(DEEP, "TIFF"), BLACK_IS_ZERO, BLACK_IS_ZERO[:-1] + b"\0")
CMYK, YCBCR = COLOUR.convert("CMYK"), COLOUR.convert("YCbCr")
PNG, JPEG, TIFF = encoded(NOISE, "PNG"), encoded(NOISE, "JPEG"), encoded(NOISE, "TIFF")
JPEG_PIXELS = np.asarray(Image.open(io.BytesIO(JPEG)))
RGB_16 = png(header(8, 8, 16, 2), rows(np.dstack([DEEP] * 3).astype(">u2").reshape(8, 24)), END)

SOUND = [
    read("8-bit PNG", encoded(GREY, "PNG"), GREY),
    read("8-bit TIFF", encoded(GREY, "TIFF"), GREY, "a.tif"),
    read("grey JPEG", encoded(flat(77), "JPEG"), flat(77), "a.jpg"),
    read("progressive JPEG", encoded(flat(77), "JPEG", progressive=True), flat(77), "a.jpeg"),
    read("1-bit PNG", encoded(BITS, "PNG"), BITS * np.uint8(255)),
    read("1-bit TIFF by fax", encoded(BITS, "TIFF", compression="group4"), BITS * np.uint8(255)),
    read("TIFF by LZW", encoded(GREY, "TIFF", compression="tiff_lzw"), GREY, "a.tiff"),
    read("colour", encoded(COLOUR, "PNG"), flat(88)),
    read("16-bit colour", RGB_16, GREY[::-1]),
    read("grey palette", encoded(PALETTE, "PNG"), GREY),
    read("CMYK TIFF", encoded(CMYK, "TIFF"), through_rgb(CMYK), "a.tif"),
    read("YCbCr TIFF", encoded(YCBCR, "TIFF"), through_rgb(YCBCR), "a.tif"),
    read("grey with alpha", encoded(Image.new("LA", (8, 8), (200, 128)), "PNG"), flat(100)),
    read("colour with alpha", encoded(Image.new("RGBA", (8, 8), (9, 9, 9, 0)), "PNG"), flat(0)),
    read("transparent grey", encoded(GREY, "PNG", transparency=200), GREY * (GREY != 200)),
    read("transparent palette", encoded(PALETTE, "PNG", transparency=200), GREY * (GREY != 200)),
    read("16-bit PNG", encoded(DEEP, "PNG"), GREY[::-1]),
    read("16-bit TIFF, big end first",
         encoded(Image.frombytes("I;16B", (8, 8), DEEP.astype(">u2").tobytes()), "TIFF"),
         GREY[::-1], "a.tif"),
    read("32-bit TIFF of 16 bits", encoded(DEEP.astype(np.int32), "TIFF"), GREY[::-1], "a.tif"),
    read("a camera that was turned", encoded(GREY, "PNG", exif=exif(6)), GREY),
    read("a described TIFF", encoded(GREY, "TIFF", tiffinfo=described()), GREY, "a.tif"),
    read("bytes after the end", PNG + b"PK\3\4 and more", NOISE),
    read("JPEG called png", JPEG, JPEG_PIXELS),
    read("PNG called JPG", PNG, NOISE, "A.JPG"),
]  # fmt: skip
UNSOUND = [
    refused("zero bytes", b"", UNDECODED),
    refused("text", b"not an image", UNDECODED),
    refused("GIF called png", encoded(GREY, "GIF"), UNDECODED),
    refused("BMP called png", encoded(GREY, "BMP"), UNDECODED),
    refused("WebP called jpg", encoded(COLOUR, "WEBP"), UNDECODED, "a.jpg"),
    refused("SVG called png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNDECODED),
    refused("PostScript called tif", b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n", UNDECODED, "a.tif"),
    refused("zip called png", b"PK\3\4" + bytes(60), UNDECODED),
    refused("a pointer of git lfs", b"version https://git-lfs.github.com/spec/v1\n", UNDECODED),
    refused("half a PNG", half(PNG), UNDECODED),
    refused("half a JPEG", half(JPEG), UNDECODED, "a.jpg"),
    refused("half a TIFF", half(TIFF), UNDECODED, "a.tif"),
    refused("a PNG header alone", PNG[:33], UNDECODED),
    refused("a PNG without pixels", png(header(8, 8), END), UNDECODED),
    refused("a PNG of no width", png(header(0, 8), rows(GREY), END), UNDECODED),
    refused("a PNG of a wrong checksum", flipped(PNG, PNG.index(b"IDAT") + 20), UNDECODED),
    refused("a PNG of a depth that is none", png(header(8, 8, 7), rows(GREY), END), UNDECODED),
    refused("a bomb of 900 million pixels", BOMB, "pixels; replace it"),
    refused("a bomb of 121 million pixels", MANY_PIXELS, "pixels; replace it"),
    refused("a bomb in the text of a PNG", TEXT_BOMB, UNDECODED),
    frames("PNG", "png"),
    frames("TIFF", "tif"),
    frames("MPO", "jpg"),
    refused("float TIFF", encoded(GREY.astype(np.float32), "TIFF"), "mode F; save it as", "a.tif"),
    refused("CIELAB TIFF", encoded(Image.new("LAB", (8, 8)), "TIFF"), "mode LAB", "a.tif"),
    refused("32-bit TIFF below zero", encoded(DEEP.astype(np.int32) - 1, "TIFF"), "-1", "a.tif"),
    refused("32-bit TIFF", encoded(DEEP.astype(np.int32) + 999, "TIFF"), "65763", "a.tif"),
    refused("16-bit TIFF, white as zero", WHITE_IS_ZERO, "white as zero", "a.tif"),
    refused("another size", encoded(GREY[:7], "PNG"), "8x7"),
]  # fmt: skip


def link(to: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(to)


def sound(path: Path) -> None:
    path.write_bytes(PNG)


def loop_of_two(path: Path) -> None:
    path.symlink_to("b.png")
    path.with_name("b.png").symlink_to(path.name)


def twins(path: Path) -> None:
    sound(path)
    sound(path.with_suffix(".tif"))


def named(name: str, file: str) -> Kind:
    return Kind(name, sound, right=NOISE, file=file)


NAMES = [
    named("a name with blanks", " a b .png"),
    named("a name with a quote", "a'b\"c.png"),
    named("a name with an emoji", "scan 🫁.png"),
    named("a name with a comma and a semicolon", "a,b;c.png"),
    named("a name with markup", "[bold]<b>&amp;.png"),
    named("a name like an option", "--fresh.png"),
    named("a name like a pattern", "*[!a].png"),
    named("a name with a variable", "${HOME}%s{0}.png"),
    named("a Cyrillic letter", "\u0430.png"),
    named("a letter in two code points", "e\u0301.png"),
    named("a name of 255 bytes", "a" * 251 + ".png"),
    named("an ending in capitals", "A.PNG"),
    placed(sound, "a name with a newline", r"'a\nb.png'", "a\nb.png"),
    placed(sound, "a name with a control character", r"'a\x1bb.png'", "a\x1bb.png"),
    placed(sound, "a name read from right to left", r"\u202e", "a\u202egnp.png"),
    placed(sound, "an invisible letter", r"\u200b", "a\u200b.png"),
    placed(sound, "a name that is not UTF-8", r"\udcff", "a\udcff.png"),
    placed(sound, "no ending", "by its ending", "a"),
    placed(sound, "an ending of something else", "by its ending", "a.png.exe"),
    placed(sound, "a file of text beside the images", "by its ending", "notes.txt"),
    placed(Path.mkdir, "a folder called png", "by its ending"),
    placed(os.mkfifo, "a pipe", "by its ending"),
    placed(twins, "two endings of one name", "rename one"),
    placed(link("a.png"), "a link to itself", "leads nowhere"),
    placed(loop_of_two, "a loop of two links", "leads nowhere"),
    placed(link("none.png"), "a broken link", "by its ending"),
    placed(link("/dev/zero"), "a link to a device", "leads outside the root"),
    placed(link("../../../outside.png"), "a link that climbs out", "leads outside the root"),
    Kind("a link below the root", link("../generated/q_1.png"), right=GREY, file="a.png"),
]  # fmt: skip

PICTURES = [*SOUND, *UNSOUND, *NAMES]
