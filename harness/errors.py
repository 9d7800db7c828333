"""The one exception that a person is meant to read, and how others are told."""


class BenchError(Exception):
    """Bad input or usage, said in one line that names the file or key and the remedy.

    The command line prints the message without a traceback and exits with code 2.
    """


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
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
