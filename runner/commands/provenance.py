"""`portrait-studio provenance`: what a picture says of where it comes from, and what it shall say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ...portrait import provenance as marks
from ...portrait import reading
from ..jobs import output
from .console import out, reporting, say, write_event
from .options import Json

provenance = typer.Typer(help="Where pictures come from: shown, marked, signed.", no_args_is_help=True)

Pictures = Annotated[list[Path], typer.Argument(metavar="FILE...", help="PNG or JPEG files.")]


@provenance.command("show")
def show_command(files: Pictures, as_json: Json = False) -> None:
    """Show what pictures say of where they come from: IPTC's mark, ours, the signature, and what else they carry."""
    with reporting(as_json):
        for file in files:
            said = marks.show(file)
            if as_json:
                write_event("provenance", **said.as_dict())
                continue
            table = Table(title=escape(said.file), show_header=False, title_justify="left")
            table.add_row("made by a model", "yes" if said.by_a_model else "it does not say so")
            for name, text in (("source", said.source), ("tool", said.tool), *said.facts.items()):
                if text:
                    table.add_row(escape(name), escape(text))
            table.add_row("signature", escape(_signature(said)))
            table.add_row("carries besides", escape(", ".join(said.private) or "nothing"))
            out.print(table)


@provenance.command("mark")
def mark_command(
    files: Pictures,
    folder: Annotated[Path, typer.Option("--out", "-o", help="A folder for the marked copies.")] = Path("marked"),
    source: Annotated[str, typer.Option(help="generated, or composite: a photograph changed in part.")] = "generated",
    label: Annotated[
        bool, typer.Option("--label", help="Draw a visible line into the corner, Korean and English.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--keep-graph", help="Keep ComfyUI's graph and all other words in it.")
    ] = False,
    certificate: Annotated[Path | None, typer.Option(help="A PEM chain to sign with; needs c2pa-python.")] = None,
    key: Annotated[Path | None, typer.Option(help="The PEM key of the certificate.")] = None,
    algorithm: Annotated[str, typer.Option(help="How the key signs.")] = "es256",
    as_json: Json = False,
) -> None:
    """Write copies to hand out: pixels, colours, the mark, and a signature with --certificate and --key."""
    with reporting(as_json):
        if bool(certificate) != bool(key):
            raise marks.ProvenanceError("A signature takes a certificate and its key: give both or neither.")
        signer = marks.Certificate(certificate, key, algorithm) if certificate and key else None
        marking = marks.Marking(source, label, signer)
        place = output.prepare(folder)
        for file in files:
            try:
                data = reading.read(file, "picture")
            except reading.ReadError as error:
                raise marks.ProvenanceError(
                    f"{file.name} cannot be read ({error}); give a PNG or JPEG file."
                ) from error
            if not private:
                data = marks.without_private_parts(data, file.name)
            (target,) = output.free_names(place, [file.name])
            output.replace(target, marks.mark(data, file.name, None, marking))
            if as_json:
                write_event("marked", file=str(target), signed=signer is not None)
            say(f"[green]✓[/] {escape(target.name)}")
        if marking.warning:
            say(f"[yellow]{escape(marking.warning)}[/]")


def _signature(said: marks.Provenance) -> str:
    if not said.signature:
        return "none"
    state = said.signature["state"]
    if state == "unchecked":
        return "there is one; install portrait-studio[provenance] to check it"
    who = said.signature.get("signer") or "nobody named"
    problems = "; ".join(said.signature.get("problems", []))
    return f"{state.lower()}, by {who}" + (f" ({problems})" if problems else "")
