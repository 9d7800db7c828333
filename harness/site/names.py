"""What the files of a site are called."""

from __future__ import annotations

import hashlib
import re

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+@._-]{0,119}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_DIGITS = 8


def slug(name: str) -> str:
    """Return a name as a file may be called, the same for the same name and no other's.

    What is safe in a file name and in a link stays; any other name gets a digest behind "=", which
    no safe name holds.
    """
    if _SAFE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return f"{_UNSAFE.sub('-', name).strip('.-')[:80]}={digest}".lstrip("=")
