"""The one exception that a person is meant to read, and how others are told."""

import errno

LONGEST = 200  # characters of what a library says


class BenchError(Exception):
    """Bad input or usage, said in one line that names the file or key and the remedy.

    The command line prints the message without a traceback and exits with code 2. What a file puts
    into the message cannot move the cursor.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class StorageError(BenchError):
    """A disk does not take what has to be written, which is no fault of any method."""


def storage_error(error: OSError) -> StorageError | None:
    """Return what to tell a person where a disk is full or read-only; ``None`` for other errors."""
    remedies = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some of your quota",
        errno.EFBIG: "files of this size are not allowed here",
        errno.EROFS: "make it writable",
        errno.EACCES: "see to its permissions",
        errno.EPERM: "see to its permissions",
    }
    if error.errno not in remedies:
        return None
    where = error.filename or "a file could not be written"
    elsewhere = "choose other folders with BENCH_CACHE and BENCH_RESULTS"
    text = f"{where}: {error.strerror}; {remedies[error.errno]}, or {elsewhere}"
    return StorageError(f"{text}; what is finished stays finished")


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ``" (did you mean X?)"`` when one of ``known`` is close to ``word``, else ``""``."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def short(value: object) -> str:
    """Return how ``value`` is quoted in an error: as Python writes it, cut when it is long.

    What is not ASCII is written in escapes, too: letters of two alphabets may look alike.
    """
    seen, plain = (
        text if len(text) <= 60 else f"{text[:57]}..." for text in (repr(value), ascii(value))
    )
    return seen if seen == plain else f"{seen} ({plain})"


def describe(error: BaseException) -> str:
    """Return an exception as one line."""
    text = " ".join(printable(str(error)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def said_by(error: BaseException) -> str:
    """Return what the exception of a library says, as one line, cut when it is long."""
    text = " ".join(printable(str(error)).split()) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def printable(text: str) -> str:
    """Return a text of others with blanks for what moves the cursor or cannot be encoded."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
