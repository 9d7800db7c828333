"""Zip files of every odd kind: packs of a data set, and arrays of images."""

import hashlib
import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from corpus.kinds import Kind
from corpus.pictures import GREY, encoded

NAME, ENTRY = "odd", "tiny"
SETS = {"train/generated": 2, "train/used": 1, "train/not_used": 1}
IMAGE, EPOCH = encoded(GREY, "PNG"), (1980, 1, 1, 0, 0, 0)
FOLDERS = {"train/used": "train/real_used", "train/not_used": "train/real_not_used"}
IMAGES = {
    f"{FOLDERS.get(name, name)}/{number}.png": IMAGE
    for name, size in SETS.items()
    for number in range(size)
}
YAML = f"{ENTRY}: {{task: membership, layout: imageclef-2025-membership, root: .}}\n"
FIRST = "train/generated/0.png"


def card(files: Any) -> bytes:
    return json.dumps({"files": files}).encode()


CARD = card({name: hashlib.sha256(content).hexdigest() for name, content in IMAGES.items()})
WHOLE: dict[str, bytes] = {**IMAGES, "card.json": CARD, "datasets.yaml": YAML.encode()}
Member = tuple[str | zipfile.ZipInfo, bytes]


def zipped(*members: Member, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def members(changes: dict[str, bytes | None] | None = None) -> list[Member]:
    content = {**WHOLE, **(changes or {})}
    return [(f"{NAME}/{name}", raw) for name, raw in content.items() if raw is not None]


def of_kind(name: str, kind: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, EPOCH)
    member.external_attr = (kind | 0o777) << 16
    return member


def writes(raw: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(raw)


def read(name: str, raw: bytes) -> Kind:
    return Kind(name, writes(raw), right=SETS)


def refused(name: str, raw: bytes, said: str) -> Kind:
    return Kind(name, writes(raw), said=said)


def with_more(name: str, *more: Member, said: str) -> Kind:
    return refused(name, zipped(*members(), *more), said)


def without(name: str, changes: dict[str, bytes | None], said: str) -> Kind:
    return refused(name, zipped(*members(changes)), said)


def marked(raw: bytes, local: int, central: int, value: int, form: str = "<H") -> bytes:
    """Return a zip file with a field of every header set, by its place in both kinds of header."""
    changed = bytearray(raw)
    for signature, place in ((b"PK\3\4", local), (b"PK\1\2", central)):
        at = raw.find(signature)
        while at >= 0:
            struct.pack_into(form, changed, at + place, value)
            at = raw.find(signature, at + 4)
    return bytes(changed)


def spoilt(raw: bytes) -> bytes:
    """Return a zip file whose first image has another byte than its checksum says."""
    at = raw.index(IMAGE) + len(IMAGE) // 2
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def twice(*names: str) -> list[Member]:
    return [(name, b"") for name in names]


SOUND = zipped(*members())
STORED = zipped(*members(), how=zipfile.ZIP_STORED)
LZMA = zipped(*members(), how=zipfile.ZIP_LZMA)
PACKS = [
    read("as packed", SOUND),
    read("stored", STORED),
    read("by LZMA", LZMA),
    read("by bzip2", zipped(*members(), how=zipfile.ZIP_BZIP2)),
    read("bytes in front", b"#!/bin/sh\n" + SOUND),
    read("folders and others beside it", zipped((f"{NAME}/", b""), *members(), ("more.txt", b""))),
    refused("zero bytes", b"", "is no pack"),
    refused("text", b"not a zip file", "is no pack"),
    refused("half", SOUND[: len(SOUND) // 2], "is no pack"),
    refused("without its last byte", SOUND[:-1], "is no pack"),
    refused("no members", zipped(), "is no pack"),
    refused("another folder", zipped(("else/card.json", CARD)), "is no pack"),
    refused("encrypted", marked(SOUND, 6, 8, 1), "is no pack"),
    refused("a compression that is none", marked(SOUND, 8, 10, 77), "is no pack"),
    refused("LZMA that is none", marked(STORED, 8, 10, zipfile.ZIP_LZMA), "is no pack"),
    refused("bzip2 that is none", marked(STORED, 8, 10, zipfile.ZIP_BZIP2), "is no pack"),
    refused("a bomb of 4 GB a file", marked(SOUND, 22, 24, 2**32 - 2, "<I"), "bytes"),
    refused("sizes that are too small", marked(SOUND, 22, 24, 9, "<I"), "is no pack"),
    refused("a wrong checksum", spoilt(STORED), "cannot be unpacked (Bad CRC-32"),
    without("no card", {"card.json": None}, "is no pack"),
    without("half a card", {"card.json": CARD[:-9]}, "is no pack"),
    without("a card without files", {"card.json": b"{}"}, "is no pack"),
    without("a card of a list", {"card.json": b"[]"}, "is no pack"),
    without("a card of files in a list", {"card.json": card([FIRST])}, "is no pack"),
    without("a card of numbers", {"card.json": card({FIRST: 1})}, "is no pack"),
    without("a card nested 100000 deep", {"card.json": b"[" * 10**5}, "is no pack"),
    without("a card of 20 MB", {"card.json": bytes(20 * 10**6)}, "its card has 20000000 bytes"),
    without("a file less than the card says", {FIRST: None}, f"lacks the file '{FIRST}'"),
    without("another file than the card says", {FIRST: IMAGE + b"x"}, f"lacks the file '{FIRST}'"),
    without("a card that climbs out", {"card.json": card({"../x": "0"})}, "lacks the file '../x'"),
    without("no datasets.yaml", {"datasets.yaml": None}, "datasets.yaml: cannot be read"),
    without("another data set", {"datasets.yaml": YAML.replace("ny", "ger").encode()},
            "holds no data set 'tiny'"),
    without("a folder less", {name: None for name in IMAGES if "not_used" in name}
            | {"card.json": card({})}, "train/not_used"),
    with_more("a climbing name", (f"{NAME}/../../evil.txt", b""), said="leads out of the folder"),
    with_more("an absolute name", ("/tmp/evil.txt", b""), said="leads out of the folder"),
    with_more("a name of nothing", (".", b""), said="has no name"),
    with_more("a name of Windows", ("C:\\evil.txt", b""), said="leads out of the folder"),
    with_more("a name with a newline", (f"{NAME}/a\nb.png", b""), said=r"/a\nb.png' in it"),
    with_more("a name of 300 letters", (f"{NAME}/{'a' * 300}", b""), said="has too long a name"),
    with_more("a path of 60 kB", (f"{NAME}/{'a/' * 30_000}b", b""), said="has too long a name"),
    with_more("a link", (of_kind(f"{NAME}/a", stat.S_IFLNK), b"/etc/passwd"), said="is a link"),
    with_more("a device", (of_kind(f"{NAME}/a", stat.S_IFCHR), b""), said="is a link or a device"),
    with_more("names that differ in case", *twice(f"{NAME}/a", f"{NAME}/A"), said="the place of"),
    with_more("a file as a folder", *twice(f"{NAME}/a", f"{NAME}/a/b"), said="takes the place of"),
    with_more("a name like an image's folder", (f"{NAME}/train", b""), said="takes the place of"),
]  # fmt: skip


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def npy(shape: str, content: bytes, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content


def of_array(name: str, raw: bytes, said: str) -> Kind:
    return refused(name, zipped(("a.npy", raw)), said)


STACK = np.stack([GREY, 255 - GREY])
COUNT = {"a": 2}  # images by folder
NONE = "holds no arrays of images"
ARRAYS = [
    Kind("grey", writes(npz(a=STACK)), right=COUNT),
    Kind("colour", writes(npz(a=np.stack([STACK] * 3, -1))), right=COUNT),
    Kind("labels beside", writes(npz(a=STACK, b=np.arange(2))), right=COUNT),
    refused("objects", npz(a=np.array([{}], object)), NONE),
    refused("floats", npz(a=STACK.astype(np.float32)), NONE),
    refused("columns first", npz(a=np.asfortranarray(STACK)), NONE),
    refused("one image", npz(a=GREY), NONE),
    refused("no images", npz(a=STACK[:0]), NONE),
    refused("no arrays", zipped(), NONE),
    refused("not a zip file", npy("(2, 8, 8)", STACK.tobytes()), "cannot be unpacked"),
    refused("arrays of one name", zipped(("a.npy", b""), ("b/a.npy", b"")), "arrays of one name"),
    of_array("no array", b"text", "cannot be unpacked"),
    of_array("half an array", npy("(2, 8, 8)", STACK.tobytes()[:64]), "shorter than it says"),
    of_array("a shape of a billion", npy("(2, 100000, 100000)", b"\0"), "shorter than it says"),
    of_array("a shape below zero", npy("(-2, 8, 8)", STACK.tobytes()), NONE),
    of_array("a shape of text", npy("'abc'", STACK.tobytes()), "cannot be unpacked"),
    of_array("a type of a comma", npy("(2, 8, 8)", STACK.tobytes(), ",|u1"), "cannot be unpacked"),
    of_array("a header of code", npy("__import__('os')", b""), "cannot be unpacked"),
    of_array("a header nested deep", npy("(" * 5000, b""), "cannot be unpacked"),
    of_array("a header of 20 kB", npy(f"(2, 8, 8){' ' * 20_000}", b""), "cannot be unpacked"),
]
