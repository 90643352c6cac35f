"""Run by test_networks.py in a process of its own, where ComfyUI's modules are on the path.

Usage: compare_with_host.py COMFYUI CHECKPOINT CONTROLNET UPSCALER; prints one JSON object of largest differences.
"""

import json
import sys
from pathlib import Path
from typing import Any

HOST, CHECKPOINT, CONTROLNET, UPSCALER = sys.argv[1:5]
sys.path.insert(0, HOST)
sys.argv = ["compare", "--cpu"]

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.controlnet  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import spandrel  # noqa: E402
import torch  # noqa: E402

from portrait_studio.pocket.train.networks import ControlNet, UNet, Upscaler, Vae  # noqa: E402
from portrait_studio.pocket.train.text import TextCodes, Tokenizer  # noqa: E402

PROMPTS = [
    "",
    "head and shoulders portrait of a woman, red plaid shirt, blue background",
    'close-up of a 45-year-old man\'s face; salt-and-pepper hair, "bokeh" 85mm f/1.8!',
    "zxqy ohwx person, half body",
    "very " * 90 + "long",
]


def host_parts() -> tuple[Any, Any, Any]:
    """The host's loaders, without the types that it gives their answers: most may be None."""
    return comfy.sd, comfy.controlnet, comfy.utils.load_torch_file


@torch.no_grad()
def main() -> None:
    generator = torch.Generator().manual_seed(1)
    host_sd, host_controlnet, load = host_parts()
    patcher, clip, vae, _ = host_sd.load_checkpoint_guess_config(CHECKPOINT)
    weights = {k: v.float() for k, v in load(CHECKPOINT).items()}

    def part(prefix: str) -> dict:
        return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}

    x, t = torch.randn(2, 4, 24, 16, generator=generator), torch.tensor([10.0, 700.0])
    context = torch.randn(2, 77, 768, generator=generator)
    hint = torch.rand(2, 3, 192, 128, generator=generator)
    control = ControlNet().eval()
    control.load_state_dict({k: v.float() for k, v in load(CONTROLNET).items()})
    unet = UNet().eval()
    unet.load_state_dict(part("model.diffusion_model."))
    theirs = host_controlnet.load_controlnet(CONTROLNET).control_model.float()(
        x=x, hint=hint, timesteps=t, context=context
    )
    ours = control(x, t, context, hint)
    out = {"controlnet": far([*theirs["output"], *theirs["middle"]], ours)}
    given = {name: [value.clone() for value in values] for name, values in theirs.items()}
    network = patcher.model.diffusion_model.float()
    out["unet"] = far([network(x, t, context, control=given)], [unet(x, t, context, ours)])
    out["unet alone"] = far([network(x, t, context)], [unet(x, t, context)])
    coder, host = Vae().eval(), vae.first_stage_model.float()
    first = part("first_stage_model.")
    scale, shift = first.pop("vae_scale"), first.pop("vae_shift")
    coder.load_state_dict(first)
    picture = torch.rand(1, 3, 64, 64, generator=generator)
    z = coder.encode(picture)
    out["vae encoder"] = far([host.encode(picture * 2 - 1)], [z / scale + shift])
    out["vae decoder"] = far([host.decode(z / scale + shift)], [coder.decode(z) * 2 - 1])
    upscaler = Upscaler().eval()
    state = load(UPSCALER)
    upscaler.load_state_dict({k: v.float() for k, v in state.items()})
    descriptor = spandrel.ModelLoader().load_from_state_dict(state).eval()
    out["upscaler"] = far([descriptor.model.float()(picture)], [upscaler(picture)])
    tokenizer, codes = Tokenizer(Path(HOST) / "comfy" / "sd1_tokenizer"), TextCodes()
    for prompt in PROMPTS[:-1]:
        tokens = [pair[0] for pair in clip.tokenize(prompt)["l"][0]]
        assert tokens == tokenizer(prompt), prompt
        their_codes = clip.encode_from_tokens(clip.tokenize(prompt))
        out["text"] = max(out.get("text", 0.0), far([their_codes], [codes(torch.tensor([tokens]))]))
    assert len(tokenizer(PROMPTS[-1])) == 77
    sys.stdout.write(json.dumps(out))


def far(theirs: list, ours: list) -> float:
    """Return the largest difference in units of the reference's spread."""
    return max(((a - b).abs().max() / (a.std() + 1e-6)).item() for a, b in zip(theirs, ours, strict=True))


main()
