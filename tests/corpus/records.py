"""Records of every odd form, as a crash, another program or a forger may leave them."""

import json

from corpus.kinds import Kind, holds

FIGURE = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8, "groups": 4, "note": None}
RECORD = {
    "schema": 1,
    "key": "0",
    "task": "membership",
    "method": {
        "name": "guess",
        "family": "guess",
        "version": "1",
        "source_digest": "0",
        "parameters": {"depth": 3},
        "changed": {},
        "budget": "demo",
        "access": ["pool"],
        "control": False,
    },
    "dataset": {"name": "small", "fingerprint": "0"},
    "protocol": "official",
    "seed": 0,
    "status": "ok",
    "metrics": {"kappa": FIGURE},
}
TEXT = json.dumps(RECORD)
RIGHT = ("guess", 0.5)


def read(name: str, text: str | bytes) -> Kind:
    return Kind(name, holds(text), right=RIGHT)


def refused(name: str, text: str | bytes) -> Kind:
    return Kind(name, holds(text), said="is no record that can be read")


def replaced(name: str, old: str, new: str) -> Kind:
    assert old in TEXT
    return refused(name, TEXT.replace(old, new))


def without(key: str) -> Kind:
    left = {name: value for name, value in RECORD.items() if name != key}
    return refused(f"without {key}", json.dumps(left))


DEEP = 100_000
RECORDS = [
    read("as written", TEXT),
    read("in lines of Windows", json.dumps(RECORD, indent=1).replace("\n", "\r\n")),
    read("in another order", json.dumps(RECORD, sort_keys=True)),
    read("an emoji in the log", json.dumps({**RECORD, "log": ["🫁\n\x1b[31m"]})),
    refused("zero bytes", b""),
    refused("NUL bytes of a power cut", bytes(len(TEXT))),
    refused("half", TEXT[: len(TEXT) // 2]),
    refused("without its last byte", TEXT[:-1]),
    refused("more behind it", TEXT + "}"),
    refused("twice", TEXT + TEXT),
    refused("byte order mark", "\ufeff" + TEXT),
    refused("UTF-16", TEXT.encode("utf-16")),
    refused("not UTF-8", TEXT.encode().replace(b"guess", b"gu\xffss")),
    refused("half a character", TEXT.replace("guess", r"gu\ud800ss")),
    refused("null", "null"),
    refused("a list", f"[{TEXT}]"),
    refused("a text", json.dumps(TEXT)),
    refused("nested 100000 deep", "[" * DEEP + "]" * DEEP),
    replaced("parameters nested 100000 deep", "{}", '{"a": ' + "[" * DEEP + "]" * DEEP + "}"),
    replaced("NaN", "0.5", "NaN"),
    replaced("Infinity", "0.5", "-Infinity"),
    replaced("too large a number", "0.5", "1e999"),
    replaced("a figure in words", "0.5", '"high"'),
    replaced("a number of 5000 digits", '"seed": 0', f'"seed": {"1" * 5000}'),
    replaced("a seed in words", '"seed": 0', '"seed": "zero"'),
    replaced("a seed between two", '"seed": 0', '"seed": 0.5'),
    replaced("an unknown status", '"ok"', '"great"'),
    replaced("an unknown task", "membership", "ownership"),
    replaced("an unknown access", '"pool"', '"truth"'),
    replaced("another schema", '"schema": 1', '"schema": 2'),
    replaced("schema as text", '"schema": 1', '"schema": "1"'),
    replaced("an unknown key", '"seed": 0', '"seed": 0, "rank": 1'),
    replaced("metrics in a list", json.dumps(RECORD["metrics"]), "[]"),
    replaced("a method that climbs out", '"name": "guess"', '"name": "../../guess"'),
    replaced("a method with a newline", '"name": "guess"', r'"name": "gu\ness"'),
    replaced("a data set that climbs out", '"name": "small"', '"name": "../small"'),
    *map(without, ("schema", "key", "method", "dataset", "status")),
]
NOTES = [b"", b"\0\0", b"[", b"[" * DEEP, b"{}", b"[]", b"null", b"1", b'"x"', b'{"a": 1}', b"\xff"]
