"""Training on the canvas: photos and a checkpoint in, a subject out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..portrait import subjects
from ..portrait.disk import sha256
from ..portrait.report import Limits
from ..portrait.tensors import image_photos, to_image
from ..trainer import settings as train_settings
from ..trainer.photo_set import PhotoSetOptions, prepare
from .api import advanced, io, ui
from .folders import own_folder
from .notice import notice, tell

_OWN_VALUE = "0 uses the value of the preset."


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
            description="Trains a LoRA of a person on the loaded checkpoint (SD1.5 or SDXL). Scores every saved step "
            "by its likeness to photos that training never saw, and keeps the best one as a subject; a "
            "copy of a training photo counts for nothing.",
            is_input_list=True,
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.unique_id, io.Hidden.extra_pnginfo],
            inputs=[
                io.Model.Input("model", tooltip="The checkpoint's diffusion model: SD1.5 or SDXL."),
                io.Clip.Input("clip", tooltip="The checkpoint's text encoder."),
                io.Vae.Input("vae", tooltip="The checkpoint's VAE."),
                io.Image.Input("images", tooltip="Ten to twenty photos of the person, as a list or a batch."),
                io.String.Input("name", default="", tooltip="Name of the subject in Load Subject."),
                io.String.Input(
                    "trigger",
                    default="ohwx",
                    tooltip="The prompt word for the person. Choose a word that has no meaning yet.",
                ),
                io.String.Input(
                    "class_word", default="person", tooltip="What kind of person it is: woman, man, person."
                ),
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
                    tooltip="Training with the same photos and the same seed gives the same subject.",
                ),
                io.Boolean.Input(
                    "replace", default=False, tooltip="Allow training again if a subject with this name already exists."
                ),
                io.String.Input("names", optional=True, force_input=True, tooltip="The names of the photos."),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "person", optional=True, tooltip="Who it should be. Without it, the person in most photos."
                ),
                *advanced(
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
                        "batch", default=0, min=0, max=256, optional=True, tooltip=f"Pictures per step; {_OWN_VALUE}"
                    ),
                    io.Int.Input(
                        "resolution",
                        default=0,
                        min=0,
                        max=2048,
                        step=64,
                        optional=True,
                        tooltip=f"Pictures are trained with the area of a square of this side, in pixels; {_OWN_VALUE}",
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
                        tooltip="Also train on mirrored crops. Faces are not symmetrical, so this costs likeness.",
                    ),
                    io.Float.Input(
                        "same_person",
                        default=limits.same_person,
                        min=-1.0,
                        max=1.0,
                        step=0.001,
                        optional=True,
                        tooltip="Two faces with at least this likeness are the same person: 0.363 for photographs, "
                        "about 0.67 for rendered heads.",
                    ),
                ),
                io.String.Input(
                    "look",
                    default="",
                    optional=True,
                    tooltip="Hair, skin and the like in words, for example red long wavy hair, fair skin. Prompts take "
                    "them from the subject's card where they say nothing else; training does not use them.",
                ),
                *advanced(
                    io.Int.Input(
                        "reward_steps",
                        default=0,
                        min=0,
                        max=10_000,
                        optional=True,
                        tooltip="Steps of tuning by a reward for likeness after the training; the result is kept only "
                        f"if it scores higher. {_OWN_VALUE}",
                    ),
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with the subject in it."),
                io.Clip.Output(display_name="clip", tooltip="The text encoder with the subject in it."),
                io.String.Output(display_name="prompt words", tooltip="Trigger and class word, to put in the prompt."),
                io.Custom("PORTRAIT_SUBJECT").Output(
                    display_name="subject", tooltip="For choosing faces by likeness, and for measuring likeness."
                ),
                io.Image.Output(
                    display_name="samples", tooltip="The pictures that the chosen checkpoint was scored on."
                ),
                io.Image.Output(
                    display_name="curves", tooltip="Loss, likeness and followed prompt words, step by step."
                ),
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
        from ..trainer.progress import TrainingProgress
        from .subjects import with_lora

        images, names = given.pop("images"), given.pop("names", None)
        one = {key: _one(value) for key, value in given.items()}
        chosen = _settings(one)
        pictures = image_photos(images)
        limits = Limits(same_person=one.get("same_person", Limits().same_person))
        options = PhotoSetOptions(one["trigger"], one["class_word"], limits, flip=one.get("flip", False))
        person, embedder = _known(one.get("person"))
        progress = TrainingProgress(partial(tell, cls.hidden.unique_id), ProgressBar(len(pictures)))
        photos = prepare(pictures, names, options, person, embedder, progress.photo)
        progress.phase("preparing the model")
        base = _checkpoint(cls.hidden.prompt, cls.hidden.unique_id)
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
                job = run.TrainingJob(one["name"], chosen, base, one["replace"], look=one.get("look") or "")
                done = run.train(native, photos, job, own_folder("subjects"), progress.observer)
            finally:
                native.close()
        model, clip = with_lora(one["model"], one["clip"], done.subject, 1.0, 1.0)
        samples = torch.cat([to_image(picture) for picture in done.pictures])
        facts = _facts(done)
        told = done.report.as_dict()
        said = notice("training", done.warnings, _sentence(done), **facts, report=told)
        said |= ui.PreviewImage(samples, cls=cls).as_dict()
        report = json.dumps({**facts, "report": told, "warnings": done.warnings}, ensure_ascii=False, indent=1)
        words = done.subject.prompt_words
        return io.NodeOutput(model, clip, words, done.subject, samples, to_image(done.curves), report, ui=said)


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _settings(one: Mapping[str, Any]) -> train_settings.TrainSettings:
    """Return the preset with what the widgets say; a widget at 0 says nothing."""
    chosen = train_settings.load(one["preset"])
    named = {key: one.get(key) for key in ("steps", "learning_rate", "rank", "batch", "resolution", "reward_steps")}
    changes: dict[str, Any] = {key: value for key, value in named.items() if value} | {"seed": one["seed"]}
    if one.get("train_text_encoder"):
        changes["text_encoder_rate"] = changes.get("learning_rate", chosen.learning_rate) / 2
    return chosen.scaled(changes)


def _known(person: Any) -> tuple[Any, Any]:
    from ..portrait import identity

    return identity.known_faces(person, []) if person is not None else (None, None)


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
        link = inputs.get("model", inputs.get("kit"))  # a kit that holds no model of its own has that of the one before
    return {}


def _facts(done: Any) -> dict[str, Any]:
    chosen = done.chosen
    return {
        "subject": done.subject.name,
        "chosen": {"step": chosen.step, "fused": list(chosen.fused), "rewarded": chosen.rewarded},
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
    words = f"{done.subject.name}: {which}, likeness {chosen.likeness:.2f} (before {before:.2f})"
    band = done.report.band
    words = f"{words}; real photos {band.low:.2f} to {band.high:.2f}" if band else words
    return f"{words}\ntuned by reward for {chosen.rewarded} steps" if chosen.rewarded else words


def _listed(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps))
