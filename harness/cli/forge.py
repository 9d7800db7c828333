"""``bench forge``: make data sets whose truth is known."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DatasetFiles, open_catalogue

if TYPE_CHECKING:
    from harness.cli.steps import Steps

app = typer.Typer(no_args_is_help=True, help="Make data sets whose truth is known.")

Output = Annotated[Path, typer.Option("-o", "--output", help="The folder to make.")]
Name = Annotated[
    str | None, typer.Option(help="What the data set is called [default: as the folder].")
]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Source = Annotated[str, typer.Option(help="phantom (drawn patients), or a folder of image files.")]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="CSV",
        help="Table image,group in the folder [default: index.csv if it is one; otherwise "
        "every image counts as a patient].",
    ),
]
Size = Annotated[int, typer.Option(help="Side of an image: 32, 64, 128 or 256 pixels.")]
Members = Annotated[
    int | None,
    typer.Option(
        help="Images (not patients) that a generator trains on. Patients are randomised: whole "
        "ones, so members and non-members share none. As many non-members are set apart "
        "[default: 200 phantoms; of a folder as many as it has].",
    ),
]
Slices = Annotated[int, typer.Option(help="Images per drawn patient.")]
HeldOut = Annotated[
    int,
    typer.Option(
        metavar="K",
        help="Further slices of every patient who has more than K: they train nothing; those "
        "of members are asked about too and scored apart.",
    ),
]
Iterations = Annotated[int, typer.Option(help="Training steps per generator.")]
Stage = Annotated[
    list[int] | None,
    typer.Option(metavar="K", help="Also a data set as it is after K iterations; repeatable."),
]
Batch = Annotated[int, typer.Option(help="Real images per step.")]
Generated = Annotated[int, typer.Option(help="Generated images per pool.")]
Twins = Annotated[
    bool,
    typer.Option("--twins", help="Two data sets: a generator of each half of the patients."),
]
NullPool = Annotated[
    bool,
    typer.Option("--null-pool", help="Add the pool of a generator of a third of the patients."),
]
NullImages = Annotated[
    int | None,
    typer.Option(metavar="N", help="Images in the null pool [default: as --generated]."),
]
Subsets = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="An attribution data set of so many subsets, with two generators for each: one "
        "makes the training pool, one the questions.",
    ),
]
Populations = Annotated[
    str,
    typer.Option(help="Of the subsets: same, or different (phantoms at heights of their own)."),
]
Licence = Annotated[str | None, typer.Option(help="Of the images in the folder.")]
Image = Annotated[
    str | None,
    typer.Option(
        metavar="YAML",
        help="How the folder's files are decoded, with the keys of an entry's image; DICOM and "
        "NIfTI need it.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Threads = Annotated[int, typer.Option(help="On the CPU; a part of what decides the bytes.")]
CheckpointEvery = Annotated[
    int, typer.Option(metavar="K", help="Iterations between two checkpoints.")
]


def train(
    context: typer.Context,
    output: Output,
    source: Source = "phantom",
    groups: Groups = None,
    size: Size = 64,
    members: Members = None,
    slices: Slices = 2,
    held_out: HeldOut = 0,
    iterations: Iterations = 2000,
    stage: Stage = None,
    batch: Batch = 16,
    generated: Generated = 500,
    twins: Twins = False,
    null_pool: NullPool = False,
    null_images: NullImages = None,
    subsets: Subsets = 0,
    populations: Populations = "same",
    seed: Seed = 0,
    name: Name = None,
    licence: Licence = None,
    image: Image = None,
    device: Device = "auto",
    threads: Threads = 1,
    checkpoint_every: CheckpointEvery = 200,
) -> None:
    """Train the kind of generator that the command is called by."""
    from harness.cli.steps import Steps
    from harness.errors import BenchError
    from harness.forge.forges import open_forge
    from harness.forge.order import Order
    from harness.machine import choose_device

    for option, value in (("--threads", threads), ("--checkpoint-every", checkpoint_every)):
        if value < 1:
            raise BenchError(f"{option} {value}: must be at least 1")
    order = Order(
        kind=context.info_name,  # type: ignore[arg-type]  # registered under these names only
        name=name or output.resolve().name,
        source=source,
        size=size,
        iterations=iterations,
        stages=tuple(stage or ()),
        members=members,
        batch=batch,
        generated=generated,
        slices=slices,
        held_out=held_out,
        groups=groups,
        licence=licence,
        image=image,
        seed=seed,
        twins=twins,
        null_pool=null_pool,
        null_images=null_images,
        subsets=subsets,
        populations=populations,  # type: ignore[arg-type]  # the order refuses other words
    )
    with _told(Steps()) as steps:
        forge = open_forge(order, output, choose_device(device), threads)
        steps.say(forge.source.describe())
        if forge.workshop.finished:
            steps.say(f"{output}: is done already; nothing was made")
            return
        forge.run(checkpoint_every, steps.tell)
    typer.echo(f"{output}: made; to rank methods on it: bench run --all -d {output}", err=True)


HELP = """Train a {model} on half of the patients, and write a data set that knows who was used.

Interrupted, the same command goes on where it was and gives the same files.

\b
Examples:
  bench forge {kind} --size 32 --members 60 --iterations 300 -o my-{kind}
  bench forge {kind} --source ct-slices --twins -o ct-twins
  bench forge {kind} --source dicoms --image "{{window: {{center: -600, width: 1500}}}}" -o lungs
  bench run --all -d my-{kind}
"""
for kind, model in (("gan", "GAN"), ("diffusion", "diffusion model")):
    app.command(kind, help=HELP.format(kind=kind, model=model))(train)


@app.command("plant")
def plant(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Argument(help="A membership data set with truth, or its folder.")
    ],
    output: Output,
    datasets: DatasetFiles = None,
    share: Annotated[float, typer.Option(help="Of the members that are copied, 0 to 1.")] = 0.5,
    each: Annotated[int, typer.Option(help="Copies of a member in each pool.")] = 1,
    blur: Annotated[float, typer.Option(help="Sd of a Gaussian, in pixels.")] = 0.6,
    noise: Annotated[float, typer.Option(help="Sd of white noise, in grey levels.")] = 6.0,
    gain: Annotated[float, typer.Option(help="Relative sd of the contrast of a copy.")] = 0.05,
    warp: Annotated[float, typer.Option(help="Sd of a smooth displacement, in pixels.")] = 0.0,
    crop: Annotated[
        float,
        typer.Option(help="Largest share of the side that is cut away; the rest is stretched."),
    ] = 0.0,
    seed: Seed = 0,
    name: Name = None,
) -> None:
    """Plant degraded copies of members among the generated images of a data set.

    \b
    Examples:
      bench forge plant my-gan -o my-planted --share 0.3
      bench forge plant phantom-null -o faint --share 0.5 --blur 1 --noise 12
      bench forge plant phantom-null -o moved --warp 1.5 --crop 0.1
    """
    from harness.cli.reporting import make_talker
    from harness.cli.steps import Steps
    from harness.errors import BenchError
    from harness.forge.copies import Fidelity
    from harness.forge.planting import Dose
    from harness.forge.planting import plant as plant_copies

    try:
        fidelity = Fidelity(blur, noise, gain, warp, crop)
    except ValueError as error:
        raise BenchError(f"--blur, --noise, --gain, --warp, --crop: {error}") from None
    dose = Dose(share, each, fidelity, seed)
    catalogue, trusted = open_catalogue(context, datasets)
    opened = make_talker(as_json=False).open_dataset(catalogue.get(dataset), trusted.recipes())
    with _told(Steps()) as steps:
        if not plant_copies(opened, name or output.resolve().name, dose, output):
            steps.say(f"{output}: is done already; nothing was made")
            return
    typer.echo(f"{output}: made; to rank methods on it: bench run --all -d {output}", err=True)


@app.command("pack")
def pack(
    folder: Annotated[Path, typer.Argument(help="Made by bench forge.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The zip file to make.")],
    only: Annotated[
        list[str] | None,
        typer.Option(help="A data set of the folder, or a pattern; repeatable [default: all]."),
    ] = None,
) -> None:
    """Pack data sets of a forged folder into one zip file, with their entries and card.

    \b
    Examples:
      bench forge pack my-gan -o my-gan.zip
      bench forge pack my-ladder -o my-ladder.zip --only "*-a-*" --only my-ladder-b-5
    """
    from harness.forge.packing import pack as pack_folder

    names = pack_folder(folder, output, only or ())
    size = output.stat().st_size / 1e6
    typer.echo(f"{output}: {size:.1f} MB with {', '.join(names)}", err=True)


@contextmanager
def _told(steps: Steps) -> Iterator[Steps]:
    """Show steps; interrupted, say how to go on."""
    try:
        with steps:
            yield steps
    except KeyboardInterrupt:
        command = shlex.join(["bench", *sys.argv[1:]])
        steps.say(f"interrupted; what was reached is kept. To go on: {command}")
        raise typer.Exit(130) from None
