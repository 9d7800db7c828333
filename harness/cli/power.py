"""``bench power``: what a test set can show, before anybody collects it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping


def power(
    kappa: Annotated[
        float | None,
        typer.Option(help="The true kappa that is to be told from chance: how many images?"),
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Images of a test set, half of them used: what can it show?")
    ] = None,
    methods: Annotated[int, typer.Option(help="How many methods are tried.")] = 1,
    images_per_patient: Annotated[float, typer.Option(help="On average.")] = 1,
    correlation: Annotated[
        float | None,
        typer.Option(
            help="Between being right about two images of a patient, 0 to 1: at 0 every image "
            "counts, at 1 every patient counts once. Needed with several images per patient."
        ),
    ] = None,
    power: Annotated[
        float, typer.Option(help="The share of such test sets that find the method.")
    ] = 0.8,
    alpha: Annotated[
        float,
        typer.Option(help="The chance that any blind method is told from chance."),
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Say how many images and patients a test set needs, or what a given one can show.

    Half of the images are used, and the test is two-sided, corrected for the methods (Bonferroni).

    \b
    Examples:
      bench power --kappa 0.1 --methods 91
      bench power --kappa 0.1 --methods 91 --images-per-patient 5 --correlation 0.3
      bench power --images 500 --methods 91
    """
    if (kappa is None) == (images is None):
        raise BenchError(
            "give either --kappa, to ask how many images, or --images, to ask what kappa"
        )
    if correlation is None and images_per_patient > 1:
        raise BenchError(
            "--images-per-patient needs --correlation: how alike the images of a patient are, from "
            "0, every image counts, to 1, every patient counts once"
        )
    design = {
        "methods": methods,
        "power": power,
        "alpha": alpha,
        "images_per_patient": images_per_patient,
        "correlation": correlation or 0.0,
    }
    try:
        found = _needed(kappa, design) if images is None else _shown(images, design)
    except ValueError as error:
        raise BenchError(str(error)) from error
    if as_json:
        typer.echo(json.dumps(found | design, indent=1))
    else:
        _print(found | design, asked_kappa=images is None)


def _needed(kappa: float | None, design: Mapping[str, Any]) -> dict[str, Any]:
    from harness.scoring.power import needed

    found = needed(kappa or 0.0, **design)
    return {"kappa": kappa, **vars(found), **_blind(found.images, design)}


def _shown(images: int, design: Mapping[str, Any]) -> dict[str, Any]:
    from harness.scoring.power import design_effect, smallest_kappa

    effect = design_effect(design["images_per_patient"], design["correlation"])
    return {
        "kappa": smallest_kappa(images, **design),
        "independent": round(images / effect),
        "images": images,
        "patients": round(images / design["images_per_patient"]),
        "design_effect": effect,
        **_blind(images, design),
    }


def _blind(images: int, design: Mapping[str, Any]) -> dict[str, float | None]:
    """Return what the best of as many blind methods is expected to reach."""
    from harness.scoring.power import design_effect, expected_maximum

    effect = design_effect(design["images_per_patient"], design["correlation"])
    independent = max(2, round(images / effect))
    return {"expected_maximum_if_blind": expected_maximum(design["methods"], independent)}


def _print(found: Mapping[str, Any], *, asked_kappa: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    methods, size = found["methods"], f"[bold]{_size(found)}[/]"
    if found["kappa"] is None:
        console.print(f"{size} cannot show even a perfect method.")
    elif asked_kappa:
        console.print(f"To tell a true kappa of {found['kappa']:g} from chance takes {size}.")
    else:
        console.print(f"{size} can tell a true kappa of {found['kappa']:.3f} from chance.")
    if methods > 1:
        best = found["expected_maximum_if_blind"]
        console.print(f"The best of {methods} blind methods is expected at kappa {best:.3f} there.")
    tried = f", corrected for {methods} methods" if methods > 1 else ""
    console.print(
        f"(Half of the images used; power {100 * found['power']:g} %, two-sided level "
        f"{100 * found['alpha']:g} %{tried}.)"
    )


def _size(found: Mapping[str, Any]) -> str:
    if found["images_per_patient"] == 1:
        return f"{found['images']:,} independent images"
    return (
        f"{found['images']:,} images of {found['patients']:,} patients, "
        f"worth {found['independent']:,} independent images"
    )
