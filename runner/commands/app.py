"""The command line: `portrait-studio`. What a person reads goes to stderr, what a program reads to stdout."""

from __future__ import annotations

import io
import signal
import sys

import typer

from ..client import exit_code
from .demo import demo_command, host_command
from .doctor import doctor_command
from .graph import graphs
from .hosts import hosts_command
from .models import models
from .packs import packs
from .run import check_command, run_command
from .subjects import subjects
from .trainer import trainer

app = typer.Typer(
    help="Portraits from graphs, without a browser.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command("run")(run_command)
app.command("check")(check_command)
app.command("hosts")(hosts_command)
app.add_typer(graphs, name="graph")
app.command("doctor")(doctor_command)
app.add_typer(models, name="models")
app.add_typer(packs, name="packs")
app.add_typer(subjects, name="subjects")
app.add_typer(trainer, name="trainer")
# install.py calls these two with what it has set up.
app.command("demo", hidden=True)(demo_command)
app.command("host", hidden=True)(host_command)


def main() -> None:
    """Run the command line and exit with a code of runner/client/exit_codes.json."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(exit_code("terminated")))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe of a C locale or of Windows cannot spell every name; an escape is still valid JSON.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    app(prog_name="portrait-studio")
