"""The host's CLIP made trainable: a copy of it whose words carry gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from .copies import copied, weights
from .cuda_graphs import Recorded
from .host import CLIPLayer

_LAYERS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")
_PREFIXES = {"sd15": {"clip_l": "lora_te"}, "sdxl": {"clip_l": "lora_te1", "clip_g": "lora_te2"}}


@dataclass(frozen=True, eq=False)
class EncodedPrompt:
    """A text as the model reads it: `context` `[T, D]`, and for SDXL `pooled` `[P]`."""

    context: torch.Tensor
    pooled: torch.Tensor | None


def layers_of(encoders: nn.Module, family: str) -> dict[str, nn.Module]:
    """Return kohya's name -> layer of the host's text encoders for "sd15" or "sdxl"."""
    return {
        f"{prefix}_{name.removeprefix('transformer.').replace('.', '_')}": layer
        for part, prefix in _PREFIXES[family].items()
        for name, layer in getattr(encoders, part).named_modules()
        if name.endswith(_LAYERS)
    }


class TrainedText:
    """A copy of a CLIP's encoders, computing in `dtype` with weights in float32.

    `layers` maps kohya's names to the layers that a LoRA may change.
    """

    def __init__(self, clip: Any, family: str, device: torch.device, dtype: torch.dtype) -> None:
        self._clip, self._device, self._dtype = clip, device, dtype
        self._prefixes = _PREFIXES[family]
        self._recorded: list[Recorded] = []
        self._tokens: dict[str, Any] = {}
        own = weights(clip.patcher, clip.cond_stage_model)
        self._encoders: Any = copied(clip.cond_stage_model, {name: _own(tensor, device) for name, tensor in own})
        for layer in self._encoders.modules():
            if isinstance(layer, CLIPLayer):
                layer.forward = _with_gradient(layer)
        for part in self._prefixes:
            encoder = getattr(self._encoders, part)
            encoder.process_tokens = _remembered(encoder.process_tokens)
        self.layers = layers_of(self._encoders, family)

    def record(self, trained: Callable[[str], Sequence[torch.Tensor]]) -> None:
        """Record the encoders' passes; `trained` gives the tensors trained by the beginning of their names."""
        for part, prefix in self._prefixes.items():
            layers = getattr(self._encoders, part).transformer.text_model.encoder
            layers.forward = self._by_recording(layers.forward, partial(trained, f"{prefix}_"))

    def forget(self, for_good: bool = True) -> bool:
        """Drop all recordings, and make no more if it is `for_good`; return whether there were any."""
        forgotten = [recorded.forget(for_good) for recorded in self._recorded]
        return any(forgotten)

    def sections(self, texts: Sequence[str]) -> set[int]:
        """Return how many sections the texts have: those that have as many are read in one pass, in their order."""
        return {len(self._tokenized(text)["l"]) for text in texts}

    def encode_text(self, texts: Sequence[str]) -> list[EncodedPrompt]:
        """Return the texts as the model reads them, all texts of one length in one pass."""
        self._encoders.reset_clip_options()
        if self._clip.layer_idx is not None:
            self._encoders.set_clip_options({"layer": self._clip.layer_idx})
        tokens = [self._tokenized(text) for text in texts]
        found: list[EncodedPrompt | None] = [None] * len(texts)
        for sections in {len(one["l"]) for one in tokens}:
            places = [place for place, one in enumerate(tokens) if len(one["l"]) == sections]
            contexts, pooled = [], None
            for part in self._prefixes:
                letter = part.removeprefix("clip_")
                numbers = [[pair[0] for pair in section] for place in places for section in tokens[place][letter]]
                context, pooled = self._encoded(part, numbers)
                contexts.append(context.reshape(len(places), -1, context.shape[-1]))
            joined = torch.cat(contexts, -1)
            for row, place in enumerate(places):
                own = pooled[row * sections] if len(self._prefixes) > 1 and pooled is not None else None
                found[place] = EncodedPrompt(joined[row], own)
        return [prompt for prompt in found if prompt is not None]

    def _tokenized(self, text: str) -> Any:
        if text not in self._tokens:
            self._tokens[text] = self._clip.tokenize(text)
        return self._tokens[text]

    def _encoded(self, part: str, numbers: list[list[Any]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        # A cache of converted weights would outlive a recording, which torch refuses.
        fast = self._dtype != torch.float32
        with torch.autocast(self._device.type, self._dtype if fast else None, enabled=fast, cache_enabled=False):
            return getattr(self._encoders, part).encode(numbers)[:2]

    def _by_recording(
        self, forward: Callable[..., Any], trained: Callable[[], Sequence[torch.Tensor]]
    ) -> Callable[..., Any]:
        """Return the forward of an encoder's layers, recorded for each layer that is asked for beside the last."""
        made: dict[int | None, Recorded] = {}

        def chosen(x: torch.Tensor, mask: torch.Tensor | None = None, intermediate_output: Any = None) -> Any:
            wanted = intermediate_output
            if mask is None or not torch.is_grad_enabled() or not isinstance(wanted, (int, type(None))):
                return forward(x, mask=mask, intermediate_output=wanted)
            if wanted not in made:

                def answers(x: torch.Tensor, mask: torch.Tensor) -> Any:
                    return [one for one in forward(x, mask=mask, intermediate_output=wanted) if one is not None]

                made[wanted] = Recorded(answers, trained)
                self._recorded.append(made[wanted])
            found = made[wanted](x, mask)
            return (*found, None)[:2]

        return chosen


def _own(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a copy on the device, fractions in float32."""
    return tensor.to(device, torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)


def _with_gradient(layer: Any) -> Callable:
    """Return the layer's forward without its sums in place, which would overwrite what the backward pass needs."""

    def forward(x: torch.Tensor, mask: torch.Tensor | None = None, optimized_attention: Any = None) -> torch.Tensor:
        x = x + layer.self_attn(layer.layer_norm1(x), mask, optimized_attention)
        return x + layer.mlp(layer.layer_norm2(x))

    return forward


def _remembered(process: Callable[..., Any]) -> Callable[..., Any]:
    """Return the host's reading of token numbers, done once for every section of text.

    Each section that goes to a card waits for all that the card was given before.
    """
    known: dict[tuple[int, ...], Any] = {}

    def remembered(tokens: list[list[Any]], device: torch.device) -> Any:
        if not all(isinstance(number, int) for section in tokens for number in section):
            return process(tokens, device)  # an embedding from a file stands among the words
        with torch.inference_mode(False), torch.no_grad():  # what was made for a sample serves a training step too
            for section in map(tuple, tokens):
                if section not in known:
                    known[section] = process([list(section)], device)
        vectors, masks, counts, _ = zip(*(known[tuple(section)] for section in tokens), strict=True)
        return torch.cat(vectors), torch.cat(masks), [count for (count,) in counts], []

    return remembered
