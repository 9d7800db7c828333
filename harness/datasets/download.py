"""Public data from the network: fetched, checked, unpacked and given its name only when complete.

A broken download is kept under ``downloads`` in the cache, and the next attempt goes on from there
where the server can (HTTP range requests). pooch does the rest; resuming it cannot do by itself.
"""

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.datasets.unpacking import Report, Unpack, unpack_npz, unpack_zip
from harness.errors import BenchError
from harness.files import cache_dir, file_digest, read_json, write_json

if TYPE_CHECKING:
    import requests

_MARK = ".fetched.json"  # in a folder that was fetched; the layouts pass hidden files over
_CHUNK = 2**16  # bytes
_TIMEOUT = 30  # seconds without a sign from the server
_PARTIAL, _RANGE_REFUSED = 206, 416
_GONE = (404, 410)


class Download(BaseModel):
    """One public file, and what becomes of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None  # finds damage, not forgery
    unpack: Annotated[Unpack, Field(strict=False)] = Unpack.NONE
    folder: str | None = None  # of a zip file: the folder in it that becomes the root

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.sha256 is None) == (self.md5 is None):
            raise ValueError("needs one checksum; write the file's sha256 (or its md5)")
        if self.folder is not None and self.unpack is not Unpack.ZIP:
            raise ValueError("has a folder, which is for unpack: zip; remove it")
        return self

    @property
    def checksum(self) -> str:
        """The checksum as ``sha256:…`` or ``md5:…``."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}"

    @property
    def file_name(self) -> str:
        """The name of the file, by its address."""
        name = PurePosixPath(unquote(urlsplit(self.url).path)).name
        return name if name.isprintable() and name.strip(".") else "data"


def fetch(download: Download, folder: Path, report: Report, *, force: bool = False) -> bool:
    """Fetch a file and make of it the folder ``folder``, all of it or nothing.

    Args:
        download: what to fetch.
        folder: the folder to make; one that is there is kept, unless ``force`` is given.
        report: is told of the progress.
        force: replaces a folder that an earlier call made.

    Returns:
        Whether anything was fetched: ``False`` where the folder was there.

    Raises:
        BenchError: The server, the network, the checksum, the archive or the disk is in the way, or
            the folder that is there is not what the download would make.
    """
    try:
        if _can_stay(download, folder, force):
            return False
        archive = _downloaded(download, report)
        _install(download, archive, folder, report)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BenchError(f"{folder}: cannot be written ({reason}); mend that") from error
    return True


def _can_stay(download: Download, folder: Path, force: bool) -> bool:
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    mark = read_json(folder / _MARK)
    if not isinstance(mark, dict):
        if force:
            raise BenchError(f"{folder}: was not made by bench fetch; move it away first")
        return True
    if not force and mark.get("checksum") != download.checksum:
        raise BenchError(f"{folder}: holds another version; replace it by --force")
    return not force


def _install(download: Download, archive: Path, folder: Path, report: Report) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching.") as temporary:
        made, old = Path(temporary, "new"), Path(temporary, "old")
        made.mkdir()
        match download.unpack:
            case Unpack.ZIP:
                unpack_zip(archive, made, report, download.folder)
            case Unpack.NPZ:
                unpack_npz(archive, made, report)
            case Unpack.NONE:
                shutil.copyfile(archive, made / download.file_name)
        mark = {"url": download.url, "checksum": download.checksum, "sha256": file_digest(archive)}
        write_json(made / _MARK, mark)
        with suppress(FileNotFoundError):
            folder.rename(old)
        try:
            made.rename(folder)
        except OSError:
            old.rename(folder)
            raise
    archive.unlink()


def _downloaded(download: Download, report: Report) -> Path:
    """Return the verified file in the cache, fetched if it is not there."""
    import pooch
    import requests

    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    pooch.get_logger().setLevel("WARNING")
    url, downloads = download.url, cache_dir() / "downloads"
    name = f"{download.checksum.partition(':')[2][:16]}-{download.file_name[-100:]}"
    downloader = _Resuming(downloads / f"{name}.part", report)
    try:
        return Path(pooch.retrieve(url, download.checksum, name, downloads, downloader=downloader))
    except requests.HTTPError as error:
        raise BenchError(f"{url}: {_refusal(error.response)}") from error
    except broken as error:
        raise BenchError(f"{url}: {downloader.cut(error)}") from error
    except requests.RequestException as error:
        reason = " ".join(str(error).split())
        raise BenchError(f"{url}: cannot be fetched ({reason}); check the url") from error
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "mend that or set BENCH_CACHE to another folder"
        raise BenchError(f"{downloads}: cannot be written ({reason}); {remedy}") from error
    except ValueError as error:  # pooch's word for another checksum; the file is gone by now
        wrong = f"does not have the checksum {download.checksum}, so nothing was kept"
        remedy = "try again, or correct the entry if the file was replaced"
        raise BenchError(f"{url}: {wrong}; {remedy}") from error


@dataclass(frozen=True)
class _Resuming:
    """A downloader for pooch that goes on where an earlier one was cut off."""

    part: Path  # what there is so far
    report: Report

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        import requests

        there = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if there:
            headers["Range"] = f"bytes={there}-"
        with requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as answer:
            stale = there > 0 and answer.status_code == _RANGE_REFUSED
            if not stale:
                answer.raise_for_status()
                self._write(answer, there if answer.status_code == _PARTIAL else 0)
                self.part.replace(output_file)
        if stale:
            self.part.unlink()
            self(url, output_file, pooch)

    def cut(self, error: BaseException) -> str:
        """Say why a connection failed, and what is there."""
        while error.__context__ is not None:  # the first cause is the one to act on
            error = error.__context__
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        if not self.part.exists():
            return f"cannot be reached ({reason}); check the network and try again"
        kept = f"the first {self.part.stat().st_size} bytes are kept"
        return f"the connection failed ({reason}), {kept}; give the same command again to go on"

    def _write(self, answer: "requests.Response", done: int) -> None:
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with self.part.open("ab" if done else "wb") as stream:
            self.report("downloading", done, total)
            for chunk in answer.iter_content(_CHUNK):
                stream.write(chunk)
                done += len(chunk)
                self.report("downloading", done, total)


def _refusal(response: "requests.Response") -> str:
    status = response.status_code
    remedy = "check the url" if status in _GONE else "try again later"
    return f"the server answers {status} ({response.reason}); {remedy}"
