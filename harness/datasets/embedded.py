"""Data sets that travel with the harness: forged folders packed by ``bench forge pack``."""

from __future__ import annotations

import tempfile
import zipfile
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import read_sets
from harness.datasets.entry import PlainName
from harness.datasets.layouts import find_images
from harness.datasets.recipe import OptionError, RawSet
from harness.datasets.unpacking import DAMAGE, unpack_zip
from harness.errors import BenchError, did_you_mean, said_by, short
from harness.files import cache_dir, file_digest, json_digest, shipped

PACKS = "packs"
CARD = "card.json"
MAX_CARD = 2**24  # bytes; a file of one image has a hundred


class _Card(BaseModel):
    """What is read of the card of a pack."""

    files: dict[str, str]  # the SHA-256 of every file


class EmbeddedRecipe(BaseModel):
    """One data set of a packed folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pack: PlainName  # name of the folder; the file is packs/NAME.zip
    entry: str  # what the folder's own datasets.yaml calls the data set

    @property
    def archive(self) -> Path:
        """The zip file."""
        return shipped(PACKS, f"{self.pack}.zip")

    @property
    def digest(self) -> str:
        """Name the content of the data set, whatever the zip file's own bytes are.

        Raises:
            BenchError: The pack is not there or is damaged.
        """
        return json_digest([self.entry, self._files])

    @cached_property
    def _files(self) -> dict[str, str]:
        """The digest of every file in the pack, as its card says."""
        try:
            with zipfile.ZipFile(self.archive) as packed:
                member = packed.getinfo(f"{self.pack}/{CARD}")
                if member.file_size > MAX_CARD:
                    raise ValueError(f"its card has {member.file_size} bytes")
                return _Card.model_validate_json(packed.read(member)).files
        except (OSError, KeyError, *DAMAGE) as error:
            raise self._flaw(f"is no pack ({said_by(error)})") from error

    def make(self) -> dict[str, RawSet]:
        """Unpack the folder and decode the images of the data set.

        Raises:
            BenchError: The pack is damaged or has no such entry.
        """
        entries = read_entries(self._unpacked() / "datasets.yaml")
        if self.entry not in entries:
            hint = did_you_mean(self.entry, list(entries))
            raise self._flaw(f"holds no data set {short(self.entry)}{hint}")
        entry = entries[self.entry]
        return dict(read_sets(entry, find_images(entry)))

    def _unpacked(self) -> Path:
        """Return the folder, unpacked once for all data sets in it."""
        folder = cache_dir() / "unpacked" / f"{self.pack}-{json_digest(self._files)[:16]}"
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building.") as temporary:
                building = Path(temporary, "folder")
                building.mkdir()
                unpack_zip(self.archive, building, lambda *_: None, self.pack)
                for name, digest in self._files.items():
                    path = building / name
                    if not path.is_file() or file_digest(path) != digest:
                        raise self._flaw(f"lacks the file {short(name)} of its card")
                with suppress(OSError):  # another process was first
                    building.rename(folder)
        return folder

    def _flaw(self, text: str) -> BenchError:
        return BenchError(f"{self.archive}: {text}; install fingerprint-bench again")


def embedded(options: dict[str, Any]) -> EmbeddedRecipe:
    """Return the recipe that the ``fetch: embedded:`` block of an entry describes.

    Raises:
        OptionError: A key is missing, unknown or no text.
    """
    try:
        return EmbeddedRecipe.model_validate(options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = ", ".join(EmbeddedRecipe.model_fields)
        raise OptionError(tuple(map(str, first["loc"])), f"the keys are {keys}, text") from error
