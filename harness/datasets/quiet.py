"""What libraries remark on oddities in a file is no news: flaws are refused, the rest is passed."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_filters = threading.Lock()


@contextmanager
def quiet(flaw: type[Warning] | None = None) -> Iterator[None]:
    """Pass over warnings, except that one of the kind ``flaw`` is raised.

    Warning filters belong to the process, so only one thread at a time may change them.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if flaw is not None:
            warnings.simplefilter("error", flaw)
        yield
