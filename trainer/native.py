"""The host's own MODEL, CLIP and VAE made trainable.

Training works on a copy of the UNet in the training precision, so that nothing of it can be left behind in the model
that the graph holds, whose weights moreover were made in inference mode and cannot carry gradients.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from . import channels_last, decoder, guided, host
from .attention import attention
from .copies import ModelError, weights
from .cuda_graphs import Recorded, recording_works
from .fused.works import usable
from .guided import SamplerPath
from .text_encoder import EncodedPrompt, TrainedText

FAMILIES = {host.SDXL: "sdxl", host.SD15: "sd15"}
Interrupted = host.InterruptProcessingException
_AT_ONCE = 4  # pictures sampled together; with guidance eight in one pass of the UNet, so that a cancel is soon heard


def family(model: Any) -> str:
    """Return "sd15" or "sdxl" for a MODEL. Raises ModelError for any other, in a sentence that names it."""
    config, base = model.model.model_config, model.model
    kind = type(config).__name__
    name = next((name for known, name in FAMILIES.items() if isinstance(config, known)), None)
    if name is None:
        raise ModelError(f"A {kind} checkpoint cannot be trained here; load an SD1.5 or SDXL checkpoint.")
    if config.unet_config.get("in_channels", 4) != 4 or base.concat_keys:
        raise ModelError("An inpainting or editing checkpoint cannot be trained here; load the plain one of its kind.")
    if base.model_type not in (host.ModelType.EPS, host.ModelType.V_PREDICTION):
        raise ModelError(
            f"A checkpoint that predicts {base.model_type.name} cannot be trained here; load one that predicts noise "
            "or velocity."
        )
    return name


def fast_precision(device: torch.device) -> torch.dtype:
    """Return bf16 where the device multiplies it faster than fp32 (recent cards, CPUs with AMX), else fp32."""
    if device.type == "cpu":
        tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        return torch.bfloat16 if tiles() else torch.float32
    return torch.bfloat16 if host.should_use_bf16(device) else torch.float32


class NativeModel:
    """An SD1.5 or SDXL checkpoint that the host has loaded, ready to be trained and sampled.

    `layers` maps kohya's names to the layers that a LoRA may change. Raises ModelError for models that cannot be
    trained.
    """

    def __init__(
        self,
        model: Any,
        clip: Any,
        vae: Any,
        precision: str = "auto",
        text_encoder: bool = False,
        convolutions: bool = False,
        checkpointing: bool = False,
        compiled: bool = False,
    ) -> None:
        self.family = family(model)
        self._host, self._clip, self._vae = model, clip, vae
        self.device = host.get_torch_device()
        named = {"fp32": torch.float32, "bf16": torch.bfloat16}
        self.dtype = named.get(precision) or fast_precision(self.device)
        self.velocity = model.model.model_type == host.ModelType.V_PREDICTION
        with torch.inference_mode():  # weights made in inference mode are unpatched there alone
            host.unload_all_models()
        with torch.inference_mode(False), torch.no_grad():
            self.sigmas = model.get_model_object("model_sampling").sigmas.detach().clone().float().to(self.device)
            self.unet, self.fingerprint = _unet(model, self.device, self.dtype)
            channels_last.keep(self.unet)
            if usable(self.device) and not compiled:
                from .fused.unet import quicken

                quicken(self.unet)
            if checkpointing:
                _forget_activations(self.unet)
            if compiled:
                self.unet.compile()
            self.text = TrainedText(clip, self.family, self.device, self.dtype) if text_encoder else None
        self._recordable = not compiled  # compiled code has launches of its own
        self._recorded: Recorded | None = None
        self.layers = _unet_layers(model, self.unet, self.family, convolutions)
        if self.text is not None:
            self.layers |= self.text.layers

    def record(self, trained: Callable[[str], Sequence[torch.Tensor]]) -> None:
        """Record passes with gradients, where that is faster and there is memory for it.

        `trained` gives the tensors that passes train at the time, by the beginning of their kohya names.
        """
        if self._recordable and recording_works():
            self._recorded = Recorded(self._answer, partial(trained, "lora_unet_"))
            if self.text is not None:
                self.text.record(trained)

    def close(self) -> None:
        """Give the copies' memory back."""
        self._forget()
        self.unet = self.text = self._recorded = None
        self.layers = {}
        gc.collect()
        host.soft_empty_cache()

    def check(self) -> None:
        """Raise `Interrupted` when the user has asked to stop."""
        host.throw_exception_if_processing_interrupted()

    def out_of_memory(self, error: BaseException) -> bool:
        """Return whether an error says that the device has no memory left."""
        return isinstance(error, torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)

    def free(self) -> bool:
        """Give back what the device holds and nobody needs; return whether recordings were among it."""
        forgotten = self._forget()
        gc.collect()
        host.soft_empty_cache()
        return forgotten

    def renew(self) -> None:
        """Drop what was recorded of people who are no longer trained, and record what comes from now on."""
        self._forget(for_good=False)

    def _forget(self, for_good: bool = True) -> bool:
        """Drop all recordings now: torch may not be left to collect them while it makes others."""
        holders = [one for one in (self._recorded, self.text) if one is not None]
        forgotten = [holder.forget(for_good) for holder in holders]
        return any(forgotten)

    # ------------------------------------------------------------ pictures and words

    def encode(self, picture: np.ndarray) -> torch.Tensor:
        """Return the latent `[4, H / 8, W / 8]` of a picture `[H, W, 3]` (RGB, uint8), as the UNet sees it."""
        self.check()
        with torch.inference_mode():
            pixels = torch.from_numpy(picture.astype(np.float32) / 255)[None]
            latent = self._host.model.process_latent_in(self._vae.encode(pixels)[0])
        with torch.inference_mode(False):
            return latent.clone().float().to(self.device)

    def decode(self, latents: torch.Tensor) -> list[np.ndarray]:
        """Return the pictures `[H, W, 3]` (RGB, uint8) of latents `[B, 4, H / 8, W / 8]`."""
        with torch.inference_mode():
            pixels = self._vae.decode(self._host.model.process_latent_out(latents.float().cpu()))
            return list((pixels.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy())

    def encode_text(self, texts: Sequence[str]) -> list[EncodedPrompt]:
        """Return the texts as the model reads them; with a trained text encoder, with gradients."""
        if self.text is not None:
            return self.text.encode_text(texts)
        prompts = []
        for text in texts:
            with torch.inference_mode():
                context, pooled = self._clip.encode_from_tokens(self._clip.tokenize(text), return_pooled=True)
            with torch.inference_mode(False):
                own = None if self.family == "sd15" else pooled[0].clone().float().to(self.device)
                prompts.append(EncodedPrompt(context[0].clone().float().to(self.device), own))
        return prompts

    # ------------------------------------------------------------ the network

    def predict(self, x: torch.Tensor, t: torch.Tensor, prompts: Sequence[EncodedPrompt]) -> torch.Tensor:
        """Return what the UNet answers `[B, 4, h, w]` to noisy latents at timesteps `[B]`, a prompt each."""
        longest = math.lcm(*(len(prompt.context) for prompt in prompts))
        # As the host does: texts of several lengths are repeated, which attention does not notice.
        context = torch.stack([p.context.repeat(longest // len(p.context), 1) for p in prompts]).to(self.dtype)
        vector = None
        if self.family == "sdxl":
            high, wide = (8 * side for side in x.shape[-2:])
            pooled = torch.stack([prompt.pooled for prompt in prompts if prompt.pooled is not None])
            vector = self._host.model.encode_adm(pooled_output=pooled, width=wide, height=high)
            vector = vector.to(self.device, self.dtype)
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        inputs = (x, t, context) if vector is None else (x, t, context, vector)
        return self._recorded(*inputs) if self._recorded and torch.is_grad_enabled() else self._answer(*inputs)

    def _answer(
        self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor, vector: torch.Tensor | None = None
    ) -> torch.Tensor:
        options = {"optimized_attention_override": _attention}
        assert self.unet is not None, "freed"
        return self.unet(x, t, context=context, y=vector, transformer_options=options)

    def sample(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        size: tuple[int, int],
        steps: int,
        cfg: float,
        negative: str = "",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[np.ndarray]:
        """Return a picture `[H, W, 3]` (RGB, uint8) of every text and seed, `size` (width, height) in px.

        DPM++ 2M on Karras' noise levels, from the noise that the host's KSampler draws for a seed. `progress`
        is called with (done, total) before every pass of the UNet, where an interrupt is heard too.
        """
        pictures: list[np.ndarray] = []
        passes, total = itertools.count(), steps * math.ceil(len(texts) / _AT_ONCE)

        def tick() -> None:
            progress(next(passes), total)

        with torch.inference_mode():
            unwanted = self.encode_text([negative])[0]
            for start in range(0, len(texts), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                draw = partial(
                    self._sampled,
                    self._noise(seeds[part], size),
                    self.encode_text(texts[part]),
                    unwanted,
                    steps,
                    cfg,
                    tick,
                )
                pictures += self.decode(self._with_room(draw))
        return pictures

    def _with_room(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return what `work` does; where memory is short for it, without what was recorded of the training."""
        try:
            return work()
        except RuntimeError as error:
            if not self.out_of_memory(error):
                raise
        self.free()  # outside of the handler, which would keep the failed work alive
        return work()

    def ways(
        self, texts: Sequence[str], seeds: Sequence[int], size: tuple[int, int], steps: int, cfg: float
    ) -> list[SamplerPath]:
        """Return the way that `sample` takes to the picture of every text and seed; without gradients."""
        found: list[SamplerPath] = []
        with torch.no_grad():
            unwanted = self.encode_text([""])[0]
            for start in range(0, len(texts), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                wanted = self.encode_text(texts[part])
                looks: list[tuple[torch.Tensor, ...]] = []

                def keep(*look: torch.Tensor, looks: list[tuple[torch.Tensor, ...]] = looks) -> None:
                    looks.append(tuple(one.clone() for one in look))

                self._sampled(self._noise(seeds[part], size), wanted, unwanted, steps, cfg, seen=keep)
                x, sigmas, seen = (torch.stack(one, 1) for one in zip(*looks, strict=True))
                found += [SamplerPath(p, unwanted, x[i], seen[i], sigmas[i]) for i, p in enumerate(wanted)]
        return found

    def decoder(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what turns latents `[B, 4, h, w]` into pictures `[B, 3, 8h, 8w]` (RGB, about 0..1), with gradients."""
        decode, out = decoder.copied_from(self._vae, self.device), self._host.model.process_latent_out
        return lambda latents: decode(out(latents.float()))

    def _noise(self, seeds: Sequence[int], size: tuple[int, int]) -> torch.Tensor:
        shape = (4, size[1] // 8, size[0] // 8)
        drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(drawn).to(self.device)

    def _sampled(
        self,
        noise: torch.Tensor,
        wanted: list[EncodedPrompt],
        unwanted: EncodedPrompt,
        steps: int,
        cfg: float,
        tick: Callable[[], None] = lambda: None,
        seen: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None] = lambda x, sigma, found: None,
    ) -> torch.Tensor:
        lowest, highest = float(self.sigmas[0]), float(self.sigmas[-1])
        device: Any = self.device  # the host types it as text, its default
        levels = host.get_sigmas_karras(steps, lowest, highest, device=device)

        def denoised(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            tick()
            self.check()
            found = guided.denoised(self, x, sigma, wanted, unwanted, cfg)
            seen(x, sigma, found)
            return found

        start = noise * (1 + levels[0] ** 2).sqrt()
        return host.sample_dpmpp_2m(denoised, start, levels, disable=True)


def _unet(model: Any, device: torch.device, dtype: torch.dtype) -> tuple[nn.Module, str]:
    """Return a copy of the MODEL's UNet with its patches baked in, and the sha256 (hex) of its weights."""
    config = dict(model.model.model_config.unet_config, dtype=dtype)
    config.pop("disable_unet_model_creation", None)
    # Linear layers of newer hosts allocate nothing and keep what they are given, on its own device; so all layers do.
    unet = host.UNetModel(**config, device="meta", operations=host.disable_weight_init)
    digest, state = hashlib.sha256(), {}
    for name, weight in weights(model, model.model.diffusion_model, "diffusion_model."):
        # A few numbers of every tensor tell checkpoints apart, and gigabytes need not be read.
        digest.update(name.encode() + weight.flatten()[:64].float().cpu().numpy().tobytes())
        state[name] = weight.to(device, dtype, copy=True)
    try:
        unet.load_state_dict(state, assign=True)
    except RuntimeError:
        raise ModelError("A quantised checkpoint cannot be trained; load it as fp16, bf16 or fp32.") from None
    return unet.requires_grad_(False), digest.hexdigest()


def _unet_layers(model: Any, unet: nn.Module, kind: str, convolutions: bool) -> dict[str, nn.Module]:
    """Return kohya's name -> layer: diffusers' names for SD1.5 and the checkpoint's own for SDXL, as sd-scripts has."""
    named = {name: name for name, _ in unet.named_modules()}
    if kind == "sd15":
        known = host.unet_to_diffusers(model.model.model_config.unet_config)
        endings = ((theirs, ours) for theirs, ours in known.items() if ours.endswith(".weight"))
        named |= {ours.removesuffix(".weight"): theirs.removesuffix(".weight") for theirs, ours in endings}
    blocks = (
        (host.SpatialTransformer, host.ResBlock, host.Downsample, host.Upsample)
        if convolutions
        else (host.SpatialTransformer,)
    )
    return {
        "lora_unet_" + named[f"{block}.{name}"].replace(".", "_"): layer
        for block, module in unet.named_modules()
        if isinstance(module, blocks)
        for name, layer in module.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d))
    }


def _attention(_: Callable, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, *__: Any, **___: Any):
    """Stands in for the host's own, which has no gradient everywhere."""
    return attention(q, k, v, heads)


def _forget_activations(unet: nn.Module) -> None:
    """Make every block compute its activations once more in the backward pass instead of keeping them."""
    for block in unet.modules():
        if isinstance(block, (host.SpatialTransformer, host.ResBlock)):
            block.forward = _checkpointed(block.forward)


def _checkpointed(forward: Callable) -> Callable:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        # Torch stops early by an exception out of the last layer. On a card, where gradients have a thread of their
        # own, that exception is lost when the layer is an autograd.Function (torch 2.11), and the training dies.
        with set_checkpoint_early_stop(False):
            return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return run
