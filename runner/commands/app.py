"""The command line: `portrait-studio`. What a person reads goes to stderr, what a program reads to stdout."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ..client import exit_code
from .batch import batch
from .console import say
from .demo import demo_command, host_command
from .doctor import doctor_command
from .fleet import fleet
from .graph import graphs
from .hosts import hosts_command
from .models import models
from .packs import packs
from .provenance import provenance
from .rerun import rerun_command
from .run import check_command, run_command
from .serve import serve_command, token_command
from .session import session_command
from .subjects import subjects
from .trainer import trainer


class StudioCommands(TyperGroup):
    """All commands. A name that no file can have is met anywhere, as soon as somebody looks for the file."""

    def invoke(self, ctx: Any) -> object:
        """Run the command; a name that is too long is one sentence."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            say(f"[red]A name of {len(str(error.filename)):,} letters is too long for a file: give a shorter one[/]")
            raise typer.Exit(exit_code("usage")) from error


app = typer.Typer(
    cls=StudioCommands,
    help="Portraits from graphs, without a browser.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command("run")(run_command)
app.command("session")(session_command)
app.command("rerun")(rerun_command)
app.command("check")(check_command)
app.command("hosts")(hosts_command)
app.command("serve")(serve_command)
app.command("token")(token_command)
app.add_typer(batch, name="batch")
app.add_typer(fleet, name="fleet")
app.add_typer(graphs, name="graph")
app.command("doctor")(doctor_command)
app.add_typer(models, name="models")
app.add_typer(packs, name="packs")
app.add_typer(provenance, name="provenance")
app.add_typer(subjects, name="subjects")
app.add_typer(trainer, name="trainer")
# install.py calls these two with what it has set up.
app.command("demo", hidden=True)(demo_command)
app.command("host", hidden=True)(host_command)


def main() -> None:
    """Run the command line and exit with a code of runner/client/exit_codes.json; signals are entry.py's."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe of a C locale or of Windows cannot spell every name; an escape is still valid JSON.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    app(prog_name="portrait-studio")
