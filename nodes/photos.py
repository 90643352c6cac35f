"""Photos on the canvas: loading them, and the report on which of them will do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..portrait import contact_sheet, decoding, identity, originals, photos, presets, report
from ..portrait.errors import PortraitError
from ..portrait.tensors import image_photos, photo_image, singles, to_image
from ..portrait.verdict import Verdict
from .api import io, ui
from .notice import notice, tell

SIZES = ("auto", "reduced", "whole")
EXAMPLES = Path(__file__).resolve().parents[1] / "pocket" / "subjects"


def _folder_photos(root: Path, folder: str) -> list[Path]:
    """Return a folder's photos; examples/NAME is a set that comes with the pack, unless input/ has such a folder."""
    shelf, _, name = folder.strip().partition("/")
    if shelf == "examples" and not (root / shelf).is_dir():
        return photos.list_folder(EXAMPLES, name)
    return photos.list_folder(root, folder)


def _paths(folder: str, files: str, max_photos: int) -> list[Path]:
    """Return the photos asked for: the folder's in natural order, then the named ones in theirs, none twice."""
    import folder_paths

    root = Path(folder_paths.get_input_directory())
    # Upload widgets append the kind of folder to a name.
    names = [line.strip().removesuffix("[input]").strip() for line in files.splitlines()]
    found = _folder_photos(root, folder) if folder.strip() else []
    found += [photos.inside(root, name) for name in names if name]
    if not found:
        raise PortraitError("No photos are named: type a folder under input/, or one file name per line.")
    unique = list(dict.fromkeys(found))
    return unique[:max_photos] if max_photos > 0 else unique


class PortraitLoadPhotos(io.ComfyNode):
    """A folder or named files as a list of upright pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitLoadPhotos",
            display_name="Load Photos",
            category="Portrait Studio/Photos",
            description="Loads photos from a folder under input/, or the files you name, as a list: upright, in sRGB, "
            "each with its own size.",
            inputs=[
                io.String.Input(
                    "folder",
                    default="",
                    tooltip="A folder under ComfyUI's input folder, or examples/nora, a set that comes with the pack. "
                    "Photos are sorted naturally (2 before 10).",
                ),
                io.String.Input(
                    "files",
                    default="",
                    multiline=True,
                    tooltip="Names of uploaded photos under input/, one per line. They come after those of the folder.",
                ),
                io.Int.Input(
                    "max_photos",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="The largest number of photos to load; 0 means all.",
                ),
                io.Combo.Input(
                    "size",
                    options=list(SIZES),
                    default=SIZES[0],
                    optional=True,
                    tooltip="How large the images are. reduced: about 2 megapixels each; faces are still read from "
                    "the files. whole: every pixel, 0.6 GB for 48 megapixels. auto: whole for one photo, reduced for "
                    "several.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", is_output_list=True, tooltip="The photos, one by one."),
                io.String.Output(display_name="names", is_output_list=True, tooltip="Their file names."),
            ],
        )

    @classmethod
    def validate_inputs(cls, size: Any = None) -> bool | str:
        """Refuse an unknown size before anything runs; ComfyUI does not."""
        return presets.refusal("size", size, SIZES) or True

    @classmethod
    def fingerprint_inputs(cls, folder: str = "", files: str = "", max_photos: int = 0, size: str = SIZES[0]) -> str:
        """Run again when a file was added, taken away or changed."""
        digest = hashlib.sha256(size.encode())
        for path in _paths(folder, files, max_photos):
            facts = path.stat()
            digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @classmethod
    def execute(cls, folder: str, files: str, max_photos: int, size: str = SIZES[0]) -> io.NodeOutput:
        """Read the photos; one sentence names every file that cannot be read."""
        paths = _paths(folder, files, max_photos)
        whole = size == "whole" or (size == "auto" and len(paths) == 1)
        most = decoding.MAX_PIXELS if whole else originals.REDUCED
        images = photos.every(paths, lambda path: photo_image(originals.open_photo(path, most)))
        return io.NodeOutput(
            images,
            [path.name for path in paths],
            ui=notice("photos", text=f"{len(images)} photos", photos=len(images)),
        )


class PortraitPhotoReport(io.ComfyNode):
    """Accepts or rejects each photo with its reason, and says what the set lacks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        limits = report.Limits()
        return io.Schema(
            node_id="PortraitPhotoReport",
            display_name="Photo Report",
            category="Portrait Studio/Photos",
            description="Checks every photo before training: Is there a face? Is it large, sharp and bright enough? "
            "Is it the same person, and not a near copy of another photo? Also says which views are missing, and "
            "which photos are kept out of training so that likeness can be measured on them.",
            is_input_list=True,
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Image.Input("images", tooltip="The photos of one person, as a list or a batch."),
                io.Int.Input(
                    "min_face",
                    default=limits.min_face,
                    min=16,
                    max=2048,
                    tooltip="The smallest width of a face, in pixels.",
                ),
                io.Float.Input(
                    "max_yaw",
                    default=limits.max_yaw,
                    min=5.0,
                    max=90.0,
                    step=1.0,
                    tooltip="How far the head may be turned to the side, in degrees.",
                ),
                io.Float.Input(
                    "min_sharpness",
                    default=limits.min_sharpness,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    tooltip="The smallest sharpness of a face: 0.012 is soft, 0.05 is crisp.",
                ),
                io.Float.Input(
                    "same_person",
                    default=limits.same_person,
                    min=-1.0,
                    max=1.0,
                    step=0.001,
                    tooltip="Two faces with at least this likeness are the same person. If the photos of a person are "
                    "more alike than photographs usually are (renders), the report raises this value by itself.",
                ),
                io.String.Input("names", optional=True, force_input=True, tooltip="The names of the photos."),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="Who it should be. Without it, the person in most photos."
                ),
                io.Image.Input(
                    "references", optional=True, tooltip="Photos of the person it should be, instead of a subject."
                ),
                io.Int.Input(
                    "least",
                    default=1,
                    min=1,
                    max=1000,
                    optional=True,
                    tooltip="How many photos must be accepted for the graph to go on; with fewer, what comes after the "
                    "report does not run.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="accepted", is_output_list=True, tooltip="The accepted photos."),
                io.String.Output(display_name="names", is_output_list=True, tooltip="Their names."),
                io.Image.Output(display_name="contact sheet", tooltip="All photos, with the verdict on each."),
                io.String.Output(display_name="report", tooltip="The report as JSON."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: list[torch.Tensor],
        min_face: list[int],
        max_yaw: list[float],
        min_sharpness: list[float],
        same_person: list[float],
        names: list[str] | None = None,
        subject: list[Any] | None = None,
        references: list[torch.Tensor] | None = None,
        least: list[int] | None = None,
    ) -> io.NodeOutput:
        """Judge the photos and draw the sheet."""
        from ..trainer.host import ProgressBar

        pictures = singles(images)
        looked_at = image_photos(pictures)
        limits = report.Limits(
            min_face=min_face[0], max_yaw=max_yaw[0], min_sharpness=min_sharpness[0], same_person=same_person[0]
        )
        known, embedder = identity.known_faces(subject[0] if subject else None, image_photos(references or []))
        bar = ProgressBar(len(pictures))

        def seen(done: int, total: int) -> None:
            bar.update_absolute(done, total)
            if cls.hidden:  # none where a program calls the node, and no host
                tell(cls.hidden.unique_id, f"Looking at photo {done} of {total}")

        result = report.judge(looked_at, names, limits, known, embedder, seen)
        sheet = to_image(contact_sheet.draw(looked_at, result))
        facts = result.as_dict()
        rejected = [f"{verdict.name}: {verdict.reason}" for verdict in result.verdicts if not verdict.accepted]
        said = notice(
            "photo_report",
            rejected + result.doubts + result.missing,
            f"{len(result.accepted)} of {len(pictures)} photos accepted, {len(result.held_out)} of them held out",
            **{key: facts[key] for key in ("accepted", "rejected", "missing", "backend")},
            held_out=[result.verdicts[index].name for index in result.held_out],
            strangers=[result.verdicts[index].name for index in result.strangers],
            doubts=result.doubts,
        )
        said |= ui.PreviewImage(sheet, cls=cls).as_dict()
        said["portrait_studio_photos"] = [_verdict(verdict) for verdict in result.verdicts]
        chosen, kept = _accepted(pictures, result, max(1, least[0] if least else 1))
        return io.NodeOutput(chosen, kept, sheet, json.dumps(facts, ensure_ascii=False, indent=1), ui=said)


def _verdict(verdict: Verdict) -> dict[str, str]:
    """Return what web/js/photos.js shows on a photo."""
    word = "held out" if verdict.held_out else "accepted" if verdict.accepted else "rejected"
    return {"name": verdict.name, "verdict": word, "reason": verdict.reason or ""}


def _accepted(pictures: Sequence[torch.Tensor], result: report.PhotoReport, least: int) -> tuple[Any, Any]:
    if len(result.accepted) >= least:
        return [pictures[index] for index in result.accepted], [result.verdicts[i].name for i in result.accepted]
    from ..trainer.host import ExecutionBlocker

    # An empty list would crash the nodes behind; so the sheet is shown, and they say why they did not run.
    reasons = "; ".join(f"{verdict.name}: {verdict.reason}" for verdict in result.verdicts if not verdict.accepted)
    said = f"{len(result.accepted) or 'none'} of {len(pictures)} photos{f' ({reasons})' if reasons else ''}"
    wanted = f"; {least} are needed, so add better ones." if least > 1 else "; add better ones."
    blocker = ExecutionBlocker(f"The photo report accepted {said}{wanted}")
    return blocker, blocker
