"""Public images to train a generator on: they have no truth and are therefore no data sets."""

from dataclasses import dataclass
from pathlib import Path

from harness.datasets.download import Download
from harness.datasets.unpacking import Unpack
from harness.files import data_dir

_MEDMNIST = "https://zenodo.org/records/10519652/files"
_MEDMNIST_PAPER = (
    "Yang et al., MedMNIST v2, Scientific Data 10:41 (2023), 10.1038/s41597-022-01721-8"
)


@dataclass(frozen=True)
class Source:
    """Public images, and what has to be known to use them."""

    name: str
    images: str  # what they show, and how they are split
    patients: str  # what is known of who is on them
    download: Download
    licence: str
    citation: str

    @property
    def folder(self) -> Path:
        """The folder that ``bench fetch`` makes."""
        return data_dir() / self.name


def _medmnist(file: str, md5: str) -> Download:
    """Return the download of a MedMNIST file; MD5 is what its authors publish (medmnist 3.0.2)."""
    return Download(url=f"{_MEDMNIST}/{file}?download=1", md5=md5, unpack=Unpack.NPZ)


SOURCES = (
    Source(
        name="organamnist",
        images="58,830 axial CT crops of abdominal organs, 64x64 (train, val, test)",
        patients="201 scans, none in two of the splits; which image is whose is not published",
        download=_medmnist("organamnist_64.npz", "2dcccc29b88e6da5a01161ef20cda288"),
        licence="CC BY 4.0",
        citation=_MEDMNIST_PAPER,
    ),
    Source(
        name="chestmnist",
        images="112,120 chest radiographs, 64x64 (train, val, test)",
        patients="30,805 patients; which image is whose is not published",
        download=_medmnist("chestmnist_64.npz", "9de6cd0b934ebb5b7426cfba5efbae16"),
        licence="CC BY 4.0",
        citation=_MEDMNIST_PAPER,
    ),
)
