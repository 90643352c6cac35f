"""The stages: render, vae, latents, unet, openpose, tile, upscaler. Each reads and writes one work folder."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file
from torch import nn

from . import export
from .data import (
    LARGE,
    SIZE,
    WINDOW,
    Faces,
    People,
    close_ups,
    join,
    mirrored,
    mirrored_words,
    pose_maps,
    random_windows,
    varied,
)
from .diffusion import ALPHA, noised
from .machine import Run, autocast, load_mean, meet, rank, ranks, say
from .networks import ControlNet, UNet, Upscaler, Vae
from .recognition import POINTS, Recognition, aligned, difference
from .text import TextCodes, Tokenizer, encode
from .tones import grade

FACE_WEIGHT = 3.0
"""How much a face counts in the UNet's loss: it is a tenth of the picture, and what people look at."""
VARIANTS = 2
QUANTISE_FROM = 0.8
EMPTY = 0.1


@dataclass
class Settings:
    """What all stages share: the work folder, this rank's device, the batch of one rank, the tokenizer's folder."""

    work: Path
    device: torch.device
    batch: int
    control_batch: int
    tokenizer: Path
    compile: bool = True
    held: dict[str, People] = field(default_factory=dict)

    def people(self, name: str) -> People:
        """Return this rank's renders by name; they are read once."""
        if name not in self.held:
            paths = sorted(self.work.glob(f"{name}-{rank()}-*.safetensors"))
            self.held[name] = join([People.load(path, self.device) for path in paths])
        return self.held[name]

    def path(self, name: str) -> Path:
        """Return a file of the work folder."""
        return self.work / name

    def mine(self, name: str) -> Path:
        """Return this rank's own file of the work folder."""
        return self.work / f"{name}-{rank()}.safetensors"


def _faster(network: nn.Module, settings: Settings):
    network.to(settings.device)
    if settings.device.type == "cuda":
        network.to(memory_format=torch.channels_last)
    return torch.compile(network) if settings.compile and settings.device.type == "cuda" else network


def _pictures(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 255


# ---------------------------------------------------------------- render


def render(settings: Settings, count: int, large: int, seed: int, seconds: float, workers: int) -> dict[str, float]:
    """Render up to `count` pictures at 256 px and `large` at 1024 px on every rank, for about `seconds` in all.

    `workers` processes share a GPU, each with its own seed; rank 0 also renders some for measuring the autoencoder.
    """
    jobs: list[list[tuple]] = []
    for worker in range(workers):
        first, end = seed + 1000 * rank() + 10 * worker, f"-{rank()}-{worker}.safetensors"
        jobs.append(
            [
                (large // workers, first + 1, LARGE, 0.3 * seconds, settings.path("large" + end)),
                (count // workers, first, SIZE, 0.7 * seconds, settings.path("people" + end)),
            ]
        )
    if rank() == 0:
        jobs[0].insert(0, (min(256, count), seed - 1, SIZE, seconds, settings.path("held-0-0.safetensors")))
    context = get_context("spawn")
    running = [context.Process(target=_render, args=(job, settings.device)) for job in jobs]
    for process in running:
        process.start()
    for process in running:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a renderer ended with exit code {process.exitcode}")
    meet()
    return {name: len(settings.people(name)) * ranks() for name in ("people", "large")}


def _render(jobs: list[tuple], device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_device(device)
    for count, seed, size, seconds, path in jobs:
        if not path.exists():
            beside = path.with_suffix(".new")
            People.render(count, seed, device, size, seconds).save(beside)
            beside.replace(path)


# ---------------------------------------------------------------- warm


def warm(settings: Settings, vae_batch: int, control_batch: int) -> None:
    """Compile the networks on made-up data, so that the stages find them compiled; run it beside `render`."""
    if settings.device.type != "cuda":
        return
    device, like = settings.device, {"device": settings.device}
    call = _faster(_Both(Vae().to(device)), settings)
    with autocast(device):
        y, z = call(_last(torch.rand(vae_batch, 3, WINDOW, WINDOW, **like), settings))
    (y.float().mean() + z.float().mean()).backward()
    base = UNet().to(device)
    x, codes = torch.randn(settings.batch, 4, 32, 32, **like), torch.randn(settings.batch, 77, 768, **like)
    t = torch.randint(0, 1000, (settings.batch,), **like)
    call = _faster(base, settings)
    with autocast(device):
        call(_last(x, settings), t, codes).float().mean().backward()
    base = UNet().to(device).requires_grad_(False)
    call = _faster(_Controlled(base, _controlnet(settings, base)), settings)
    hint = _last(torch.rand(control_batch, 3, SIZE, SIZE, **like), settings)
    x, t, codes = x[:control_batch].contiguous(), t[:control_batch].contiguous(), codes[:control_batch].contiguous()
    with autocast(device):
        call(_last(x, settings), t, codes, hint).float().mean().backward()


# ---------------------------------------------------------------- VAE


def vae(settings: Settings, seconds: float, batch: int, encoder: bool = True) -> dict[str, float]:
    """Train the autoencoder and return its PSNR and SFace cosine on people it has not seen.

    Without `encoder`, the stored decoder alone is trained further, so that what was learnt about latents stays true.
    """
    people = settings.people("people")
    crops, _ = close_ups(settings.people("large"), seed=rank())
    torch.manual_seed(3)
    network = Vae().to(settings.device)
    path = settings.path("vae.safetensors" if encoder else "decoder.safetensors")
    if not encoder:
        load_mean(network, settings.path("vae.safetensors")).taesd_encoder.requires_grad_(False)
    rate = 1.2e-3 if encoder else 6e-4
    run = Run(network, path, seconds, rate=rate, decay_from=0.35, weight_decay=0.0)
    call = _faster(_Both(network), settings)
    recognition = Recognition().to(settings.device)
    before, faces = time.monotonic(), Faces(people, settings.device)
    for step in run.steps():
        i = torch.randint(0, len(people), (batch - batch // 4,), device=settings.device)
        j = torch.randint(0, len(crops), (batch // 4,), device=settings.device)
        x, points, seen = faces.windows(people.images, i)
        x = torch.cat([x, random_windows(crops, j)])
        gain = 1 + 0.3 * (torch.rand(batch, 3, 1, 1, device=x.device) - 0.5)
        x = (_pictures(x) * gain).clamp(0, 1).contiguous(memory_format=torch.channels_last)
        with autocast(settings.device):
            y, z = call(x)
        pull, figures = _pull(recognition, y.detach().float(), x, points, seen, details=step % 100 == 0)
        run.update((y.float() * pull).sum() + 1e-4 * z.float().square().mean())
        if step % 100 == 0:
            say("vae", step, figures, f"{batch * ranks() * 100 / (time.monotonic() - before):.0f}/s")
            before = time.monotonic()
    run.use_average()
    network.eval()
    result = {"steps": run.step, "seconds": run.trained}
    if rank() == 0:
        result |= _judged(network, settings.people("held"), recognition, settings.device)
        export.vae(settings.work, {name: value.cpu() for name, value in network.state_dict().items()})
    say("vae", result)
    meet()
    return result


FACE_PULL, TEXTURE_PULL = 0.5, 0.25
"""How hard likeness and texture pull on the decoder's pictures, beside a pull of 1 towards the right pixels."""


def _pull(
    recognition: Recognition, y: torch.Tensor, x: torch.Tensor, points: torch.Tensor, seen: torch.Tensor, details: bool
) -> tuple[torch.Tensor, str]:
    """Return the gradient of the loss for decoded pictures y [B, 3, S, S]: pixels, faces and texture, weighed.

    Each part's gradient is brought to a fixed share of the pixels' (as Esser et al. 2021 weigh VQGAN's), so that
    nothing has to be tuned to the scale of a loss. `points` [F, 3, 2] are of the first F pictures, for those `seen`.
    """
    y.requires_grad_(True)
    off = y - x
    edges = sum((a - b).abs().mean() for a, b in zip(_gradients(y), _gradients(x), strict=True))
    pixels = 20 * off.square().mean() + off.abs().mean() + edges
    texture = (_roughness(y) - _roughness(x)).abs().mean()
    (pull,) = torch.autograd.grad(pixels, y, retain_graph=True)
    size = pull.norm()
    (side,) = torch.autograd.grad(texture, y, retain_graph=True)
    pull = pull + TEXTURE_PULL * size / side.norm().clamp_min(1e-12) * side
    a, b = (aligned(v[: len(points)], points)[seen] for v in (y, x))
    apart, cosine = difference(recognition, a, b)
    (side,) = torch.autograd.grad(apart, y)
    pull = pull + FACE_PULL * size / side.norm().clamp_min(1e-12) * side
    said = (
        f"pixels {pixels.item():.4f} texture {texture.item():.4f} cosine {cosine.mean().item():.3f}" if details else ""
    )
    return pull.contiguous(memory_format=torch.channels_last), said


def _roughness(x: torch.Tensor) -> torch.Tensor:
    """Return the root mean square step between neighbours over every 8 px square, [B, 3, S / 8, S / 8]."""
    down, across = _gradients(x)
    power = F.pad(down, (0, 0, 0, 1)).square() + F.pad(across, (0, 1)).square()
    return (F.avg_pool2d(power, 8) + 1e-5).sqrt()


@torch.no_grad()
def _judged(network: Vae, held: People, recognition: Recognition, device: torch.device) -> dict[str, float]:
    psnr, cosines, rough = [], [], []
    points = held.keypoints[:, list(POINTS)].to(device)
    for chunk, at in zip(held.images.split(64), points.split(64), strict=True):
        x = _pictures(chunk)
        with autocast(device):
            y = network.decode(network.encode(x))
        y = y.float().clamp(0, 1)
        psnr.append(-10 * (y - x).square().mean((1, 2, 3)).log10())
        seen = (at[..., 2] > 0).all(1)
        a, b = (aligned(v, at[..., :2])[seen] for v in (y, x))
        cosines.append(difference(recognition, a, b)[1])
        rough.append(_roughness(a).square().mean() / _roughness(b).square().mean())
    return {
        "psnr": torch.cat(psnr).mean().item(),
        "cosine": torch.cat(cosines).mean().item(),
        "gradient energy of faces": torch.stack(rough).mean().item(),
    }


class _Both(nn.Module):
    def __init__(self, vae: Vae):
        super().__init__()
        self.vae = vae

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.vae.encode(x)
        return self.vae.decode(z + 0.03 * torch.randn_like(z)), z


def _gradients(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


# ---------------------------------------------------------------- latents


def latents(settings: Settings, seed: int) -> None:
    """Encode every view of every picture and tokenise its captions; three views a picture, then the close-ups."""
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


def _encoded(network: Vae, images: torch.Tensor, settings: Settings) -> torch.Tensor:
    out = []
    with torch.no_grad(), autocast(settings.device):
        for chunk in images.split(128):
            x = _pictures(chunk).contiguous(memory_format=torch.channels_last)
            out.append(network.encode(x).float().contiguous())
    return torch.cat(out)


class _Pool:
    """Batches of latents, text codes and what a ControlNet reads."""

    def __init__(self, settings: Settings, maps: bool = False, pictures: bool = False):
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


# ---------------------------------------------------------------- UNet


def unet(settings: Settings, seconds: float, until: float, rate: float) -> dict[str, float]:
    """Train the UNet on all views; the schedule is for `seconds`, and this call stops at `until`."""
    torch.manual_seed(0)
    network = UNet().to(settings.device)
    nn.init.zeros_(network.out[2].weight)
    run = Run(network, settings.path("unet.safetensors"), seconds, until=until, rate=rate, average_over=500)
    pool, call = _Pool(settings), _faster(network, settings)

    def loss() -> torch.Tensor:
        index = pool.any(settings.batch)
        t = torch.randint(0, 1000, (settings.batch,), device=settings.device)
        x, noise, weight = noised(pool.latents[index].float(), t, pool.alpha)
        if run.trained > QUANTISE_FROM * run.seconds:
            run.quantised(*export.UNET)
        with autocast(settings.device):
            guess = call(_last(x, settings), t, pool.text(index, EMPTY))
        return (weight * (pool.importance(index) * (guess.float() - noise).square()).mean((1, 2, 3))).mean()

    result = _train("unet", run, loss, settings.batch)
    if rank() == 0:
        export.unet(settings.work, run.averaged())
    meet()
    return result


def _last(x: torch.Tensor, settings: Settings) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last) if settings.device.type == "cuda" else x


def _train(name: str, run: Run, loss, batch: int, every: int = 100) -> dict[str, float]:
    total, before = torch.zeros((), device=run.parameters[0].device), time.monotonic()
    first = run.step
    for step in run.steps():
        value = loss()
        run.update(value)
        total += value.detach()
        if (step + 1 - first) % every == 0:
            rate = batch * ranks() * every / (time.monotonic() - before)
            say(name, step + 1, f"loss {total.item() / every:.4f}", f"{rate:.0f}/s", f"{run.trained:.0f} s")
            total.zero_()
            before = time.monotonic()
    say(name, "steps", run.step, "seconds", round(run.trained))
    return {"steps": run.step, "seconds": run.trained}


# ---------------------------------------------------------------- ControlNets


FROZEN = ("time_embed", "emb_layers", "transformer_blocks", "proj_in", "proj_out")
"""What a ControlNet shares with the UNet unchanged, so that it need not be stored."""


def _controlnet(settings: Settings, unet: UNet) -> ControlNet:
    torch.manual_seed(1)
    network = ControlNet()
    network.load_state_dict(unet.state_dict(), strict=False)
    for zero in (*network.zero_convs, network.middle_block_out):
        nn.init.zeros_(zero[0].weight)
        nn.init.zeros_(zero[0].bias)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not any(part in name for part in FROZEN))
    return network.to(settings.device)


class _Controlled(nn.Module):
    def __init__(self, unet: UNet, control: ControlNet):
        super().__init__()
        self.unet, self.control = unet, control

    def forward(self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor, hint: torch.Tensor) -> torch.Tensor:
        return self.unet(x, t, context, self.control(x, t, context, hint))


def _control(settings: Settings, name: str, seconds: float, until: float, rate: float, draw) -> dict[str, float]:
    base = UNet()
    base.load_state_dict(export.stored(settings.work)["unet"])
    base.requires_grad_(False).to(settings.device)
    path = settings.path(f"{name}.safetensors")
    network = _controlnet(settings, base)
    run = Run(network, path, seconds, rate=rate, until=until, average_over=300)
    call = _faster(_Controlled(base, network), settings)
    alpha = ALPHA.to(settings.device)

    def loss() -> torch.Tensor:
        z, t, codes, hint = draw(settings.control_batch)
        x, noise, weight = noised(z, t, alpha)
        with autocast(settings.device):
            guess = call(_last(x, settings), t, codes, _last(hint, settings))
        return (weight * (guess.float() - noise).square().mean((1, 2, 3))).mean()

    result = _train(name, run, loss, settings.control_batch)
    if rank() == 0:
        export.controlnet(settings.work, name, run.averaged())
    meet()
    return result


def openpose(settings: Settings, seconds: float, until: float, rate: float) -> dict[str, float]:
    """Train the OpenPose ControlNet on plain, mirrored and graded views; two thirds of the steps at high noise."""
    pool = _Pool(settings, maps=True)

    def draw(batch: int):
        base = torch.randint(0, pool.count, (batch,), device=settings.device)
        view = torch.randint(0, 3, (batch,), device=settings.device)
        t = (1000 * torch.rand(batch, device=settings.device).sqrt()).long().clamp(max=999)
        index = base + view * pool.count
        hint = _pictures(pool.maps[base + (view == 1) * pool.count])
        return pool.latents[index].float(), t, pool.text(index, 0.3), hint

    return _control(settings, "openpose", seconds, until, rate, draw)


def tile(settings: Settings, seconds: float, until: float, rate: float) -> dict[str, float]:
    """Train the tile ControlNet: the hint is the picture itself, made 1 to 8 times smaller and enlarged again."""
    pool = _Pool(settings, pictures=True)

    def draw(batch: int):
        own = torch.randint(0, len(pool.plain), (batch,), device=settings.device)
        index = torch.where(own < pool.count, own, own + 2 * pool.count)
        t = torch.randint(0, 1000, (batch,), device=settings.device)
        small = int(SIZE / float(torch.empty(()).uniform_(1, 8)))
        mode = ("bilinear", "bicubic")[int(torch.randint(0, 2, ()))]
        hint = F.interpolate(_pictures(pool.plain[own]), (small, small), mode=mode, antialias=True)
        hint = F.interpolate(hint, (SIZE, SIZE), mode="bicubic").clamp(0, 1)
        return pool.latents[index].float(), t, pool.text(index, 0.3), hint

    return _control(settings, "tile", seconds, until, rate, draw)


# ---------------------------------------------------------------- upscaler


def upscaler(settings: Settings, seconds: float, batch: int) -> dict[str, float]:
    """Train the x4 upscaler on large renders made smaller, half of them after a round trip through the VAE."""
    large = settings.people("large").images
    coder = load_mean(Vae(), settings.path("vae.safetensors")).to(settings.device).eval()
    small, coded = [], []
    with torch.no_grad():
        for chunk in large.split(32):
            x = F.interpolate(_pictures(chunk), (SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 1)
            with autocast(settings.device):
                y = coder.decode(coder.encode(x)).float().clamp(0, 1)
            small.append((x * 255).round().byte())
            coded.append((y * 255).round().byte())
    inputs = torch.stack([torch.cat(small), torch.cat(coded)])
    torch.manual_seed(2)
    network = Upscaler()
    begin_bilinear(network)
    run = Run(network.to(settings.device), settings.path("upscaler.safetensors"), seconds, rate=1e-3, decay_from=0.3)
    call, side = _faster(network, settings), 64

    def loss() -> torch.Tensor:
        low, high = [], []
        for _ in range(max(1, batch // 8)):
            i, kind = int(torch.randint(0, len(large), ())), int(torch.randint(0, 2, ()))
            for _ in range(8):
                x, y = torch.randint(0, SIZE - side + 1, (2,)).tolist()
                low.append(inputs[kind, i, :, y : y + side, x : x + side])
                high.append(large[i, :, 4 * y : 4 * (y + side), 4 * x : 4 * (x + side)])
        a, b = _pictures(torch.stack(low)), _pictures(torch.stack(high))
        with autocast(settings.device):
            guess = call(_last(a, settings))
        guess = guess.float()
        edges = sum((p - q).abs().mean() for p, q in zip(_gradients(guess), _gradients(b), strict=True))
        return F.l1_loss(guess, b) + edges

    result = _train("upscaler", run, loss, batch, every=50)
    if rank() == 0:
        export.upscaler(settings.work, run.averaged())
    meet()
    return result


@torch.no_grad()
def begin_bilinear(network: Upscaler) -> None:
    """Set an upscaler's weights to bilinear interpolation, with random features beside it to learn from.

    torch's own start lets the signal die out within sixteen layers. Here 27 features carry the 3 x 3 neighbourhood of
    every pixel through all layers unchanged, and the last one weighs them; the others start as in He et al. (2015).
    """
    first, *middle, last = (layer for layer in network.body if isinstance(layer, nn.Conv2d))
    carried, scale = 27, network.scale
    for layer in (first, *middle):
        nn.init.kaiming_normal_(layer.weight, a=0.25)
        nn.init.zeros_(layer.bias)
        layer.weight[:carried] = 0
    for layer in middle:
        layer.weight[torch.arange(carried), torch.arange(carried), 1, 1] = 1
    for channel in range(3):
        for tap in range(9):
            first.weight[channel * 9 + tap, channel, tap // 3, tap % 3] = 1
    for layer in network.body:
        if isinstance(layer, nn.PReLU):
            layer.weight[:carried] = 1
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    for y, x in itertools.product(range(scale), repeat=2):
        down, right = ((i + 0.5) / scale - 0.5 for i in (y, x))
        vertical, across = ([max(0.0, -d), 1 - abs(d), max(0.0, d)] for d in (down, right))
        weights = torch.outer(torch.tensor(vertical), torch.tensor(across))
        weights[1, 1] -= 1  # the network adds to the nearest neighbour
        for channel in range(3):
            row = last.weight[channel * scale**2 + y * scale + x]
            row[channel * 9 : channel * 9 + 9, 1, 1] = weights.flatten()
