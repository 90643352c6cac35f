"""Subjects on the canvas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..portrait import presets, subjects, tensor_files
from ..portrait.errors import PortraitError
from .api import io
from .folders import own_folder


class PortraitLoadSubject(io.ComfyNode):
    """A person: the LoRA on MODEL and CLIP, and the words that call the person up."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitLoadSubject",
            display_name="Load Subject",
            category="Portrait Studio/Subjects",
            description="Applies the LoRA of a subject to the model, and returns its prompt words and references.",
            inputs=[
                io.Model.Input("model", tooltip="The checkpoint's diffusion model."),
                io.Clip.Input("clip", tooltip="The checkpoint's text encoder."),
                io.Combo.Input(
                    "subject",
                    options=[subjects.NONE, *subjects.names(own_folder("subjects"))],
                    default=subjects.NONE,
                    tooltip="The person, from models/portrait_studio/subjects. none passes model and clip through "
                    "unchanged.",
                ),
                io.Float.Input(
                    "strength_model",
                    default=1.0,
                    min=-2.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How strongly the LoRA changes the diffusion model.",
                ),
                io.Float.Input(
                    "strength_clip",
                    default=1.0,
                    min=-2.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How strongly the LoRA changes the text encoder.",
                ),
                io.String.Input(
                    "words",
                    default="person",
                    tooltip="The prompt words if no subject is chosen, for example woman or man.",
                ),
                io.String.Input(
                    "look",
                    default="",
                    optional=True,
                    tooltip="Hair, skin and the like if no subject is chosen, for example short black hair. A subject "
                    "brings its own.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with the subject in it."),
                io.Clip.Output(display_name="clip", tooltip="The text encoder with the subject in it."),
                io.String.Output(display_name="prompt words", tooltip="Trigger and class word, to put in the prompt."),
                io.Custom("PORTRAIT_SUBJECT").Output(
                    display_name="subject", tooltip="For choosing faces by likeness, and for measuring likeness."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, subject: str | None = None) -> bool | str:
        """Refuse an unknown subject before anything runs; ComfyUI does not."""
        return presets.refusal("subject", subject, [subjects.NONE, *subjects.names(own_folder("subjects"))]) or True

    @classmethod
    def fingerprint_inputs(cls, subject: str | None = None, **_: object) -> tuple[str | None, int]:
        """Run again when the subject has been saved again."""
        return subject, subjects.saved_at(subject or subjects.NONE, own_folder("subjects"))

    @classmethod
    def execute(
        cls,
        model: Any,
        clip: Any,
        subject: str,
        strength_model: float,
        strength_clip: float,
        words: str,
        look: str = "",
    ) -> io.NodeOutput:
        """Load the subject and apply its LoRA."""
        if subject == subjects.NONE:
            person = subjects.nobody(words, look)
            return io.NodeOutput(model, clip, person.prompt_words, person)
        person = subjects.load(subject, own_folder("subjects"))
        if person.lora and (strength_model or strength_clip):
            model, clip = with_lora(model, clip, person, strength_model, strength_clip)
        return io.NodeOutput(model, clip, person.prompt_words, person)


def with_lora(
    model: Any, clip: Any, person: subjects.Subject, strength_model: float, strength_clip: float
) -> tuple[Any, Any]:
    """Return model and clip with the person's LoRA.

    Raises PortraitError when it does not fit this checkpoint, or holds numbers that would make the picture black.
    """
    from ..trainer.host import load_lora_for_models, load_torch_file

    lora: Any = load_torch_file(str(person.lora), safe_load=True)
    if fault := _overflow(lora):
        raise PortraitError(
            f"The LoRA of subject {person.name!r} cannot be used: {fault}, and the picture would be black; train the "
            "subject again, or copy its file again."
        )
    new_model, new_clip = load_lora_for_models(model, clip, lora, strength_model, strength_clip)
    assert new_clip is not None
    pairs = ((new_model, model), (new_clip.patcher, clip.patcher))
    added = sum(_patches(new) - _patches(old) for new, old in pairs)
    # Layers of one name have other shapes in other models; ComfyUI would log each and go on without it.
    if not added or any(_misfits(new) for new, _ in pairs):
        base = person.card.get("base")
        name = base.get("checkpoint") if isinstance(base, Mapping) else None
        wanted = f"load {name} or one of its kind" if name else "load the kind it was trained on"
        raise PortraitError(
            f"The LoRA of subject {person.name!r} {'does not fit the layers' if added else 'fits no layer'} of this "
            f"checkpoint; {wanted}."
        )
    return new_model, new_clip


def _overflow(lora: Mapping[str, torch.Tensor]) -> str | None:
    """Return which numbers of a LoRA are not finite, or are not once multiplied in half precision; None for none."""
    for name, tensor in lora.items():
        if not torch.isfinite(tensor.float()).all():
            return f"{name!r} holds numbers that are not finite"
    for layer, up, down in tensor_files.lora_pairs(lora):
        alpha = lora.get(f"{layer}.alpha")
        scale = 1.0 if alpha is None else float(alpha.reshape(-1)[0].abs()) / lora[down].shape[0]
        # An element of the product is a sum of `rank` products.
        largest = scale * lora[down].shape[0] * float(lora[up].float().abs().max() * lora[down].float().abs().max())
        if not largest <= torch.finfo(torch.float16).max:
            return f"the numbers of {layer!r} are too large to multiply"
    return None


def _patches(patcher: Any) -> int:
    return sum(len(patches) for patches in patcher.patches.values())


def _misfits(patcher: Any) -> bool:
    """Return whether a LoRA patch changes another number of weights than its layer has."""
    from ..trainer.host import LoRAAdapter, get_attr

    for key, patches in patcher.patches.items():
        _, adapter, _, offset, _ = patches[-1]
        difference = adapter[1][0] if isinstance(adapter, tuple) and adapter[0] == "diff" else None
        if difference is not None and difference.shape != get_attr(patcher.model, key).shape:
            return True
        if not isinstance(adapter, LoRAAdapter) or offset is not None:
            continue
        up, down = adapter.weights[:2]
        if up.shape[0] * down[0].numel() != get_attr(patcher.model, key).numel():
            return True
    return False
