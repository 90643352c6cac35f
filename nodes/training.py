"""Training on the canvas: photos and a checkpoint in, a subject out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..portrait import subjects
from ..portrait.disk import sha256
from ..portrait.report import Limits
from ..portrait.sheet import Tile, draw_sheet
from ..portrait.tensors import image_photos, to_image
from ..trainer import settings as train_settings
from ..trainer.photo_set import PhotoSetOptions, prepare
from .api import io, ui
from .folders import own_folder
from .notice import notice

_OWN_VALUE = "0 as the preset says."


class PortraitTrainLoRA(io.ComfyNode):
    """Photos of a person and a checkpoint to a subject whose likeness is measured."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        limits = Limits()
        return io.Schema(
            node_id="PortraitTrainLoRA",
            display_name="Train LoRA",
            category="Portrait Studio/Subjects",
            description="Trains a LoRA of a person on the checkpoint that is loaded (SD1.5 or SDXL), judges every "
            "checkpoint by its likeness to photos that training never saw, and keeps the best as a subject.",
            is_input_list=True,
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.unique_id, io.Hidden.extra_pnginfo],
            inputs=[
                io.Model.Input("model", tooltip="The checkpoint's diffusion model: SD1.5 or SDXL."),
                io.Clip.Input("clip", tooltip="The checkpoint's text encoder."),
                io.Vae.Input("vae", tooltip="The checkpoint's VAE."),
                io.Image.Input("images", tooltip="Ten to twenty photos of the person, as a list or a batch."),
                io.String.Input("name", default="", tooltip="What the subject is called in Load Subject."),
                io.String.Input(
                    "trigger",
                    default="ohwx",
                    tooltip="The word that will call the person up; one that means nothing yet.",
                ),
                io.String.Input("class_word", default="person", tooltip="What the person is: woman, man, person."),
                io.Combo.Input(
                    "preset",
                    options=train_settings.names(),
                    default="sd15",
                    tooltip="How to train: pocket for the pocket checkpoint, sd15 (12 GB), sd15-low-memory (8 GB), "
                    "sdxl (16 GB).",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=False,
                    tooltip="Training of the same photos with the same seed gives the same subject.",
                ),
                io.Boolean.Input(
                    "replace", default=False, tooltip="Train anew a subject of this name that exists already."
                ),
                io.String.Input("names", optional=True, force_input=True, tooltip="The names of the photos."),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "person", optional=True, tooltip="Who it should be; else it is who most photos show."
                ),
                io.Int.Input("steps", default=0, min=0, max=100_000, optional=True, tooltip=f"Steps; {_OWN_VALUE}"),
                io.Float.Input(
                    "learning_rate",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.00001,
                    round=False,
                    optional=True,
                    tooltip=f"Learning rate of the diffusion model's LoRA; {_OWN_VALUE}",
                ),
                io.Int.Input(
                    "rank", default=0, min=0, max=320, optional=True, tooltip=f"Rank of the LoRA; {_OWN_VALUE}"
                ),
                io.Int.Input(
                    "batch", default=0, min=0, max=256, optional=True, tooltip=f"Pictures a step; {_OWN_VALUE}"
                ),
                io.Int.Input(
                    "resolution",
                    default=0,
                    min=0,
                    max=2048,
                    step=64,
                    optional=True,
                    tooltip=f"Pictures are trained at the area of a square of so many pixels; {_OWN_VALUE}",
                ),
                io.Boolean.Input(
                    "train_text_encoder",
                    default=False,
                    optional=True,
                    tooltip="Train the text encoder too, at half the learning rate.",
                ),
                io.Boolean.Input(
                    "flip",
                    default=False,
                    optional=True,
                    tooltip="Train on mirrored crops too; faces are not symmetrical, so this costs likeness.",
                ),
                io.Float.Input(
                    "same_person",
                    default=limits.same_person,
                    min=-1.0,
                    max=1.0,
                    step=0.001,
                    optional=True,
                    tooltip="The likeness that makes two faces one person: 0.363 for photographs, about 0.67 for "
                    "rendered heads.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with the subject in it."),
                io.Clip.Output(display_name="clip", tooltip="The text encoder with the subject in it."),
                io.String.Output(display_name="prompt words", tooltip="Trigger and class word, to put in the prompt."),
                io.Custom("PORTRAIT_SUBJECT").Output(
                    display_name="subject", tooltip="For choosing faces by likeness and for scoring it."
                ),
                io.Image.Output(display_name="samples", tooltip="What the chosen checkpoint was judged by."),
                io.Image.Output(display_name="curves", tooltip="Loss, likeness and words kept, step by step."),
                io.String.Output(display_name="report", tooltip="The score on every checkpoint as JSON."),
            ],
        )

    @classmethod
    def validate_inputs(cls, name: Any = None) -> bool | str:
        """Refuse a name that is none before anything runs.

        ComfyUI blames every input that is asked for here, so the preset, which the canvas offers in a list, is checked
        when the node runs.
        """
        if isinstance(_one(name), str):
            try:
                subjects.clean_name(_one(name))
            except subjects.SubjectError as error:
                return str(error)
        return True

    @classmethod
    def execute(cls, **given: list[Any]) -> io.NodeOutput:
        """Prepare the photos, train, and apply the result."""
        from ..trainer import run
        from ..trainer.host import ProgressBar
        from ..trainer.native import NativeModel
        from .subjects import with_lora

        images, names = given.pop("images"), given.pop("names", None)
        one = {key: _one(value) for key, value in given.items()}
        chosen = _settings(one)
        pictures = image_photos(images)
        limits = Limits(same_person=one.get("same_person", Limits().same_person))
        options = PhotoSetOptions(one["trigger"], one["class_word"], limits, flip=one.get("flip", False))
        person, embedder = _known(one.get("person"))
        photos = prepare(pictures, names, options, person, embedder)
        base = _checkpoint(cls.hidden.prompt, cls.hidden.unique_id)
        bar = ProgressBar(chosen.steps)
        observer = _observer(bar)
        with torch.inference_mode(False), torch.enable_grad():
            native = NativeModel(
                one["model"],
                one["clip"],
                one["vae"],
                chosen.precision,
                chosen.text_encoder_rate > 0,
                chosen.convolutions,
                chosen.gradient_checkpointing,
                chosen.compile,
            )
            try:
                job = run.TrainingJob(one["name"], chosen, base, one["replace"])
                done = run.train(native, photos, job, own_folder("subjects"), observer)
            finally:
                native.close()
        model, clip = with_lora(one["model"], one["clip"], done.subject, 1.0, 1.0)
        samples = torch.cat([to_image(picture) for picture in done.pictures])
        facts = _facts(done)
        said = notice("training", done.warnings, _sentence(done), **facts)
        said |= ui.PreviewImage(samples, cls=cls).as_dict()
        report = json.dumps({**facts, "warnings": done.warnings}, ensure_ascii=False, indent=1)
        words = done.subject.prompt_words
        return io.NodeOutput(model, clip, words, done.subject, samples, to_image(done.curves), report, ui=said)


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _settings(one: Mapping[str, Any]) -> train_settings.TrainSettings:
    """Return the preset with what the widgets say; a widget at 0 says nothing."""
    chosen = train_settings.load(one["preset"])
    named = {key: one.get(key) for key in ("steps", "learning_rate", "rank", "batch", "resolution")}
    changes: dict[str, Any] = {key: value for key, value in named.items() if value} | {"seed": one["seed"]}
    if one.get("train_text_encoder"):
        changes["text_encoder_rate"] = changes.get("learning_rate", chosen.learning_rate) / 2
    return chosen.scaled(changes)


def _known(person: Any) -> tuple[Any, Any]:
    from ..portrait import identity

    return identity.known_faces(person, []) if person is not None else (None, None)


def _observer(bar: Any) -> Any:
    """Return what tells the canvas: the bar for steps, and the judged pictures side by side as a preview."""
    from ..trainer.session import TrainingObserver

    place = {"step": 0}

    def step(done: int, total: int, loss: float) -> None:
        place["step"] = done
        bar.update_absolute(done, total)

    def pictures(at: int, shown: list[np.ndarray]) -> None:
        tiles = [Tile(Image.fromarray(picture), "") for picture in shown]
        sheet = draw_sheet(tiles, f"step {at}", columns=min(4, len(tiles)), cell=256)
        bar.update_absolute(place["step"], None, ("JPEG", sheet, 1024))

    return TrainingObserver(step, pictures)


def _checkpoint(prompt: Mapping[str, Any] | None, node: str | None) -> dict[str, str]:
    """Return the file name and sha256 of the checkpoint that the node's model comes from, where the graph says it."""
    import folder_paths

    seen: set[str] = set()
    link = (prompt or {}).get(str(node), {}).get("inputs", {}).get("model")
    while isinstance(link, list) and link and str(link[0]) not in seen:
        seen.add(str(link[0]))
        inputs = (prompt or {}).get(str(link[0]), {}).get("inputs", {})
        if isinstance(inputs.get("ckpt_name"), str):
            path = folder_paths.get_full_path("checkpoints", inputs["ckpt_name"])
            name = Path(inputs["ckpt_name"].replace("\\", "/")).name
            return {"checkpoint": name} | ({"sha256": sha256(Path(path))} if path else {})
        link = inputs.get("model")
    return {}


def _facts(done: Any) -> dict[str, Any]:
    chosen = done.chosen
    return {
        "subject": done.subject.name,
        "chosen": {"step": chosen.step, "fused": list(chosen.fused)},
        "likeness_before": round(done.scores[0].likeness, 4),
        "likeness": round(chosen.likeness, 4),
        "words_kept": None if chosen.words is None else round(chosen.words, 4),
        "backend": done.subject.backend,
        "checkpoints": [score.as_dict() for score in done.scores],
    }


def _sentence(done: Any) -> str:
    chosen = done.chosen
    which = f"fusion of steps {_listed(chosen.fused)}" if chosen.fused else f"checkpoint of step {chosen.step}"
    before = done.scores[0].likeness
    return f"{done.subject.name}: {which}, likeness {chosen.likeness:.2f} (before {before:.2f})"


def _listed(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps))
