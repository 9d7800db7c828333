"""Data sets that travel with the harness: forged folders packed by ``bench forge pack``."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import read_sets
from harness.datasets.layouts import find_images
from harness.datasets.recipe import OptionError, RawSet
from harness.datasets.unpacking import unpack_zip
from harness.errors import BenchError
from harness.files import json_digest, shipped

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
        """Name the content of the pack by the digests of its files, whatever the zip file's own.

        Raises:
            BenchError: The pack is not there or is damaged.
        """
        try:
            with zipfile.ZipFile(self.archive) as packed:
                files = json.loads(packed.read(f"{self.pack}/{CARD}"))["files"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            remedy = "install fingerprint-bench again"
            raise BenchError(f"{self.archive}: is no pack ({error}); {remedy}") from error
        return json_digest([self.entry, files])

    def make(self) -> dict[str, RawSet]:
        """Unpack the folder and decode the images of the data set.

        Raises:
            BenchError: The pack is damaged or has no such entry.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            unpack_zip(self.archive, folder, lambda *_: None, self.pack)
            entry = read_entries(folder / "datasets.yaml")[self.entry]
            return dict(read_sets(entry, find_images(entry)))


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
