"""The phase latents: every view encoded and its caption tokenised once; and batches of them."""

from __future__ import annotations

import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from . import export
from .data import SIZE, close_ups, mirrored, mirrored_words, pose_maps, varied
from .diffusion import ALPHA
from .machine import autocast, load_mean, meet, rank, ranks, say
from .networks import Vae
from .settings import RankSettings, pictures
from .text import TextCodes, Tokenizer, encode
from .tones import grade

FACE_WEIGHT = 3.0
"""How much a face counts in the UNet's loss: it is a tenth of the picture, and what people look at."""
VARIANTS = 2


def latents(settings: RankSettings, seed: int) -> None:
    """Encode every view of every picture and tokenise its captions; three views per picture, then the close-ups."""
    if settings.mine("latents").exists():
        return
    begin = time.monotonic()
    people = settings.people("people")
    crops, crop_captions = close_ups(settings.people("large"), seed=rank())
    toned, tone_captions = grade(people.images, people.captions, seed + rank())
    views = [(people.images, people.captions), (people.images.flip(3), [mirrored_words(c) for c in people.captions])]
    views += [(toned, tone_captions), (crops, crop_captions)]
    network = load_mean(Vae(), settings.path("vae.safetensors")).to(settings.device).eval()
    codes = torch.cat([_encoded(network, images, settings) for images, _ in views])
    say("encoded", len(codes), f"{time.monotonic() - begin:.0f} s")
    before = export.stored_scale(settings.work)
    scale = torch.stack([codes.mean(), codes.std()]) if before is None else torch.tensor(before, device=codes.device)
    if ranks() > 1:
        torch.distributed.broadcast(scale, 0)
    tokenizer, rng = Tokenizer(settings.tokenizer), np.random.default_rng(seed + rank())
    captions = [caption for _, texts in views for caption in texts]
    ids = torch.stack(
        [encode(tokenizer, [varied(c, rng) if v else c for c in captions]) for v in range(VARIANTS)], dim=1
    )
    if rank() == 0:
        export.scale(settings.work, *scale.tolist())
    say("captions", f"{time.monotonic() - begin:.0f} s")
    save_file(
        {
            "latents": ((codes - scale[0]) / scale[1]).bfloat16().cpu(),
            "scale": scale.cpu(),
            "ids": ids,
        },
        settings.mine("latents"),
    )
    meet()


def _encoded(network: Vae, images: torch.Tensor, settings: RankSettings) -> torch.Tensor:
    out = []
    with torch.no_grad(), autocast(settings.device):
        for chunk in images.split(128):
            x = pictures(chunk).contiguous(memory_format=torch.channels_last)
            out.append(network.encode(x).float().contiguous())
    return torch.cat(out)


class Pool:
    """Batches of latents, text codes and what a ControlNet reads."""

    def __init__(self, settings: RankSettings, maps: bool = False, pictures: bool = False):
        stored = load_file(settings.mine("latents"))
        self.device = settings.device
        self.latents = stored["latents"].to(self.device)
        self.ids = stored["ids"].to(self.device)
        self.scale = stored["scale"].tolist()
        self.alpha = ALPHA.to(self.device)
        self.codes = TextCodes().to(self.device)
        people = settings.people("people")
        self.count = len(people)
        boxes = people.boxes.to(self.device) / 8
        flipped = torch.stack([SIZE / 8 - boxes[:, 2], boxes[:, 1], SIZE / 8 - boxes[:, 0], boxes[:, 3]], 1)
        none = boxes.new_zeros(len(self.latents) - 3 * self.count, 4)
        self.boxes = torch.cat([boxes, flipped, boxes, none])
        if maps:
            points = torch.cat([people.keypoints, mirrored(people.keypoints)])
            self.maps = pose_maps(points).to(self.device)
        if pictures:
            crops, _ = close_ups(settings.people("large"), seed=rank())
            self.plain = torch.cat([people.images, crops])
        self.empty = torch.tensor(Tokenizer(settings.tokenizer)(""), device=self.device, dtype=torch.int32)

    def text(self, index: torch.Tensor, empty: float) -> torch.Tensor:
        """Return the codes of a random wording of each caption, some of them empty."""
        variant = torch.randint(0, VARIANTS, index.shape, device=self.device)
        ids = self.ids[index, variant]
        none = torch.rand(len(ids), 1, device=self.device) < empty
        return self.codes(torch.where(none, self.empty, ids))

    def importance(self, index: torch.Tensor) -> torch.Tensor:
        """Return the weight of every latent [B, 1, 32, 32]: FACE_WEIGHT within the face box, 1 elsewhere."""
        x0, y0, x1, y1 = self.boxes[index][:, :, None].unbind(1)
        cell = torch.arange(SIZE // 8, device=self.device)
        across = (torch.minimum(x1, cell + 1) - torch.maximum(x0, cell)).clamp(0, 1)
        down = (torch.minimum(y1, cell + 1) - torch.maximum(y0, cell)).clamp(0, 1)
        return 1 + (FACE_WEIGHT - 1) * (down[:, :, None] * across[:, None, :])[:, None]

    def any(self, batch: int) -> torch.Tensor:
        """Return random views: plain 40%, mirrored 25%, graded 20%, close-ups 15%."""
        pick = torch.rand(batch, device=self.device)
        base = torch.randint(0, self.count, (batch,), device=self.device)
        crops = torch.randint(3 * self.count, len(self.latents), (batch,), device=self.device)
        view = (pick > 0.4).long() + (pick > 0.65).long()
        return torch.where(pick > 0.85, crops, base + view * self.count)
