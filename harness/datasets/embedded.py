"""Data sets that travel with the harness: forged folders packed by ``bench forge pack``."""

from __future__ import annotations

import json
import tempfile
import zipfile
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import read_sets
from harness.datasets.layouts import find_images
from harness.datasets.recipe import OptionError, RawSet
from harness.datasets.unpacking import unpack_zip
from harness.errors import BenchError
from harness.files import cache_dir, json_digest, shipped

PACKS = "packs"
CARD = "card.json"


class EmbeddedRecipe(BaseModel):
    """One data set of a packed folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pack: str  # name of the folder; the file is packs/NAME.zip
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
                files: dict[str, str] = json.loads(packed.read(f"{self.pack}/{CARD}"))["files"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            remedy = "install fingerprint-bench again"
            raise BenchError(f"{self.archive}: is no pack ({error}); {remedy}") from error
        return files

    def make(self) -> dict[str, RawSet]:
        """Unpack the folder and decode the images of the data set.

        Raises:
            BenchError: The pack is damaged or has no such entry.
        """
        entry = read_entries(self._unpacked() / "datasets.yaml")[self.entry]
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
                with suppress(OSError):  # another process was first
                    building.rename(folder)
        return folder


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
