"""Contact sheets while training: what the models make now, from the weights as they will be shipped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .data import People, pose_maps
from .diffusion import sample
from .export import stored
from .machine import autocast
from .networks import ControlNet, UNet, Vae
from .text import TextCodes, Tokenizer, encode


def sheet(rows: Iterable[np.ndarray], path: Path, columns: int = 8) -> None:
    """Save pictures [N, H, W, 3] uint8 as a JPEG of `columns` a row."""
    pictures = list(rows)
    lines = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate([line for line in lines if line.shape == lines[0].shape])).save(path, quality=90)


class StoredModels:
    """The stored models on one device."""

    def __init__(self, work: Path, tokenizer: Path, device: torch.device):
        parts = stored(work)
        self.device, self.tokenizer = device, Tokenizer(tokenizer)
        self.codes = TextCodes().to(device)
        self.unet, self.vae = UNet().to(device).eval(), Vae().to(device).eval()
        self.unet.load_state_dict(parts["unet"])
        vae = parts["vae"]
        self.scale, self.shift = float(vae.pop("vae_scale")), float(vae.pop("vae_shift"))
        self.vae.load_state_dict(vae)
        self.control = {}
        for name in ("openpose", "tile"):
            if name in parts:
                self.control[name] = ControlNet().to(device).eval()
                self.control[name].load_state_dict(parts[name])

    @torch.no_grad()
    def samples(
        self,
        prompts: Sequence[str],
        seed: int = 0,
        cfg: float = 3.5,
        steps: int = 12,
        control: str | None = None,
        hints: torch.Tensor | None = None,
    ) -> np.ndarray:
        """Return pictures [N, 256, 256, 3] uint8; `hints` [N, 3, 256, 256] 0..1 are read by ControlNet `control`."""
        count = len(prompts)
        noise = torch.randn(count, 4, 32, 32, generator=torch.Generator().manual_seed(seed)).to(self.device)
        codes = self.codes(encode(self.tokenizer, [*prompts, *[""] * count]).to(self.device))
        hint = torch.cat([hints, hints]).to(self.device) if hints is not None else None

        def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            x, t = torch.cat([x, x]), torch.cat([t, t])
            with autocast(self.device):
                residuals = self.control[control](x, t, codes, hint) if control else None
                yes, no = self.unet(x, t, codes, residuals).float().chunk(2)
            return no + cfg * (yes - no)

        z = sample(predict, noise, steps)
        latent = z / 0.18215
        with autocast(self.device):
            x = self.vae.decode((latent - self.shift) * self.scale).float()
        return (x.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def write(work: Path, tokenizer: Path, device: torch.device, out: Path, seed: int, count: int = 48) -> None:
    """Render people that no training set holds, and save what the models make of their captions and poses."""
    people = People.render(count, seed, device)
    preview = StoredModels(work, tokenizer, device)
    out.mkdir(parents=True, exist_ok=True)
    truth = people.images.permute(0, 2, 3, 1).cpu().numpy()
    sheet(truth, out / "truth.jpg")
    sheet(preview.samples(people.captions), out / "text.jpg")
    (out / "captions.txt").write_text("\n".join(people.captions), "utf-8")
    if "openpose" in preview.control:
        maps = pose_maps(people.keypoints, workers=1)
        made = preview.samples(people.captions, control="openpose", hints=maps.float() / 255)
        drawn = maps.permute(0, 2, 3, 1).numpy()
        sheet([x for pair in zip(drawn, made, strict=True) for x in pair], out / "pose.jpg")
    if "tile" in preview.control:
        hint = torch.nn.functional.avg_pool2d(people.images.float() / 255, 4)
        hint = torch.nn.functional.interpolate(hint, scale_factor=4.0, mode="bicubic").clamp(0, 1)
        made = preview.samples(people.captions, control="tile", hints=hint)
        small = (hint * 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        sheet([x for pair in zip(small, made, strict=True) for x in pair], out / "tile.jpg")
