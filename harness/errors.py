"""The one exception that a person is meant to read."""


class BenchError(Exception):
    """Bad input or usage, said in one line that names the file or key and the remedy.

    The command line prints the message without a traceback and exits with code 2.
    """


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ``" (did you mean X?)"`` when one of ``known`` is close to ``word``, else ``""``."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
