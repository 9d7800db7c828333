"""The report: one page of HTML that is read, printed and filed. It loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.files import write_text
from harness.privacy.audit import Audit, Judgement
from harness.privacy.folders import Folder, Role
from harness.privacy.provenance import Provenance
from harness.privacy.release import RATE
from harness.privacy.strip import HEIGHT, WIDTH, make_strip
from harness.privacy.verdict import p_text
from harness.privacy.wording import notes, release_text

HERE = Path(__file__).parent / "templates"
Greys = NDArray[np.uint8]  # (H, W)
ROWS = 200  # patients in a table
PICTURES = 6  # patients shown, of each folder
WHAT = {
    Role.GENERATED: "generated images",
    Role.ASKED: "images asked about",
    Role.REFERENCE: "reference: not used",
    Role.MEMBERS: "members: used",
    Role.HOLDOUT: "held out: not used",
}


@dataclass(frozen=True)
class Pair:
    """A patient's closest image beside the generated one that is most like it, as data URLs."""

    patient: str
    image: str
    real: str
    generated: str
    alike: float  # correlation of their pixels


def write_report(path: Path, audit: Audit, run: Provenance, *, show_images: bool) -> None:
    """Write the report whole or not at all.

    Args:
        path: the file.
        audit: what was found; its folders must still be there.
        run: how it was done.
        show_images: show the patients that stand out.

    Raises:
        BenchError: Jinja2 is not installed.
    """
    from harness.site.resources import templates

    style = (HERE / "report.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = templates(HERE).get_template("report.html")
    text = page.render(
        audit=audit,
        run=run,
        style=style,
        style_digest=digest,
        strip=make_strip(audit),
        lane_size={"width": WIDTH, "height": HEIGHT},
        what=WHAT,
        Role=Role,
        rows=ROWS,
        rate=RATE,
        p=p_text,
        notes=list(notes(audit)),
        release=release_text(audit.release) if audit.release else None,
        pairs={j.role: list(_pairs(audit, j)) for j in audit.judgements} if show_images else {},
    )
    write_text(path, text)


def _pairs(audit: Audit, judgement: Judgement) -> Iterator[Pair]:
    """Yield the patients that stand out, each with the generated image most like theirs."""
    from harness.features.neighbours import nearest
    from harness.site.gallery import flat

    folder, pool = audit.folders[judgement.role], audit.folders[Role.GENERATED].images.pixels()
    surest = judgement.scored
    if judgement.finding is not None:
        surest = tuple(one.patient for one in judgement.finding.patients)
    surest = surest[:PICTURES]
    reals = np.stack([_image(folder, patient.closest) for patient in surest])
    alike, places = nearest(flat(reals), flat(pool), "correlation", 1)
    for patient, real, likeness, place in zip(
        surest, reals, alike[:, 0], places[:, 0], strict=True
    ):
        yield Pair(patient.name, patient.closest, _url(real), _url(pool[place]), float(likeness))


def _image(folder: Folder, name: str) -> Greys:
    image: Greys = folder.images.pixels()[folder.images.ids.index(name)]
    return image


def _url(pixels: Greys) -> str:
    from harness.site.gallery import png

    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"
