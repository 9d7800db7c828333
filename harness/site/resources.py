"""What the site borrows: the templates' language, and the library that draws the charts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.board.wording import figure_text, names
from harness.errors import BenchError
from harness.site.finding import size
from harness.site.names import slug

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


def templates(folder: Path = HERE / "templates") -> Environment:
    """Return the templates of a folder; whatever is put into them is escaped.

    Raises:
        BenchError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise _missing("Jinja2") from error
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"figure": figure_text, "slug": slug, "names": names, "web": web, "size": size}
    made.globals |= {"version": __version__}
    return made


def assets() -> dict[str, bytes]:
    """Return the files that all pages share, by where they lie in the site.

    Raises:
        BenchError: Plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise _missing("Plotly") from error
    own = {f"assets/{p.name}": p.read_bytes() for p in sorted((HERE / "static").iterdir())}
    return own | {"assets/plotly.min.js": get_plotlyjs().encode()}


def web(address: str | None) -> str | None:
    """Return an address that a link may have, else ``None``; no other scheme does a reader good."""
    return address if address and address.startswith(("https://", "http://")) else None


def _missing(name: str) -> BenchError:
    extra = 'pip install "fingerprint-bench[site]"'
    return BenchError(f"pages need {name}; get it by: {extra}")
