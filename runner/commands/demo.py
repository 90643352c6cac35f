"""What install.py starts in the studio's own environment: the demo, and the canvas."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..client import LocalHost
from ..demo import ROOT, DemoTraining, HostInstallation, example_photos, run_demo
from .console import out, reporting
from .display import Display

ComfyUIFolder = Annotated[Path, typer.Option("--comfyui", help="The folder of ComfyUI's main.py.")]
HostPython = Annotated[Path, typer.Option("--host-python", help="The interpreter that it runs with.")]
Models = Annotated[Path, typer.Option("--models", help="The assembled pocket models.")]
EXAMPLE = "nora"


def demo_command(
    comfyui: ComfyUIFolder, host_python: HostPython, models: Models, keep: bool = False, training: bool = True
) -> None:
    """Photos of an example person in, a LoRA of that person, a portrait and a report out."""
    folder = ROOT / "studio-output" / "demo"
    with reporting(False), _open(HostInstallation(comfyui, host_python, models)) as host:
        with Display(out) as display:
            report = run_demo(host, folder, example_photos(EXAMPLE), display, DemoTraining() if training else None)
        shown = folder.relative_to(ROOT)
        out.print(f"\n{_learned(report)}", highlight=False)
        out.print(f"The portrait: {shown}/portrait.png ({report['seconds']:.0f} s)", highlight=False)
        out.print(f"Every stage, side by side: {shown}/contact_sheet.png; the record: {shown}/report.json")
        if keep:
            _wait(host)


def host_command(comfyui: ComfyUIFolder, host_python: HostPython, models: Models) -> None:
    """Keep the canvas open until Ctrl-C."""
    with reporting(False), _open(HostInstallation(comfyui, host_python, models)) as host:
        _wait(host)


def _learned(report: dict[str, Any]) -> str:
    """Return what the training came to, in a sentence."""
    trained = report["training"]
    if trained is None:
        return "No subject was trained (--no-training)."
    before, after = ("not measured" if value is None else f"{value:.2f}" for value in trained["likeness"].values())
    again = "used again" if trained["reused"] else f"trained in {trained['seconds']:.0f} s"
    return f"The subject {trained['subject']}, {again}: likeness {before} without it, {after} with it."


def _open(installation: HostInstallation) -> LocalHost:
    with out.status("Starting ComfyUI (about 20 s)"):
        return installation.open(ROOT / ".studio" / "canvas")


def _wait(host: LocalHost) -> None:
    out.print(f"\nThe canvas is at {host.url} (Workflow > Browse Templates > portrait-studio). Ctrl-C ends it.")
    while host.process.poll() is None:
        time.sleep(0.5)
    out.print("[red]ComfyUI has ended by itself[/]; its log is .studio/canvas/host.log")
    raise typer.Exit(1)
