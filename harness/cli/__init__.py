"""The command line: one verb per file; each imports what it needs when it is called."""

from __future__ import annotations

import sys

import typer

from harness import __version__
from harness.cli import (
    audit,
    board,
    cache,
    calibrate,
    check,
    compare,
    doctor,
    fetch,
    forge,
    listing,
    plugin,
    power,
    publish,
    run,
    score,
    show,
    submit,
)
from harness.cli.options import DatasetFiles
from harness.errors import BenchError, storage_error

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # formatting help with rich would double the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(epilog="Start with: bench run --all. Every verb has --help with examples.")
def root(
    context: typer.Context,
    datasets: DatasetFiles = None,
    version: bool = typer.Option(False, "--version", help="Show the version and exit."),
) -> None:
    """Which real images trained the generator, and can it be told from its outputs?

    Runs competing methods on data sets with known truth, scores them with honest intervals and
    ranks them.
    """
    if version:
        typer.echo(f"fingerprint-bench {__version__}")
        raise typer.Exit
    context.obj = list(datasets or [])


app.command("run")(run.run)
app.add_typer(listing.app, name="list")
app.command("show")(show.show)
app.command("board")(board.board)
app.command("compare")(compare.compare)
app.command("fetch")(fetch.fetch)
app.command("publish")(publish.publish)
app.command("check")(check.check)
app.command("audit")(audit.audit)
app.command("submit")(submit.submit)
app.command("score")(score.score)
app.command("power")(power.power)
app.command("calibrate")(calibrate.calibrate)
app.command("doctor")(doctor.doctor)
app.add_typer(forge.app, name="forge")
app.add_typer(cache.app, name="cache")
app.add_typer(plugin.app, name="plugin")


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2."""
    try:
        app()
    except BenchError as error:
        _complain(str(error))
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        full = storage_error(error)
        if full is None:
            raise
        _complain(str(full))
        sys.exit(2)


def _complain(message: str) -> None:
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print("error:", style="bold red", end=" ")
    console.print(" ".join(message.split()), markup=False)
