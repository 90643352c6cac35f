"""The phases vae and decoder: the autoencoder, pulled by pixels, faces, texture and a discriminator."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from . import export
from .adversary import Adversary
from .data import FaceWindows, People, close_ups, random_windows
from .machine import TimedTraining, autocast, load_mean, meet, rank, ranks, say
from .networks import Vae
from .recognition import POINTS, Recognition, aligned, difference
from .settings import RankSettings, faster, gradients, pictures


def vae(settings: RankSettings, seconds: float, batch: int, rate: float, encoder: bool = True) -> dict[str, float]:
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
    run = TimedTraining(network, path, seconds, rate=rate, decay_from=0.35, weight_decay=0.0)
    call = faster(RoundTrip(network), settings)
    recognition = Recognition().to(settings.device)
    adversary, known = Adversary(settings.device), 2.0
    before, faces = time.monotonic(), FaceWindows(people, settings.device)
    for step in run.steps():
        i = torch.randint(0, len(people), (batch - batch // 4,), device=settings.device)
        j = torch.randint(0, len(crops), (batch // 4,), device=settings.device)
        x, points, seen = faces.windows(people.images, i)
        x = torch.cat([x, random_windows(crops, j)])
        gain = 1 + 0.3 * (torch.rand(batch, 3, 1, 1, device=x.device) - 0.5)
        x = (pictures(x) * gain).clamp(0, 1).contiguous(memory_format=torch.channels_last)
        with autocast(settings.device):
            y, z = call(x)
        y_ = y.detach().float()
        pull, size, figures = _pull(recognition, y_, x, points, seen, details=step % 100 == 0)
        with autocast(settings.device):
            if step % 2 == 0:
                known = adversary.learn(y_, x)
            if run.trained > ADVERSE_FROM * seconds:
                side = adversary.pull(y_)
                pull = pull + ADVERSE_PULL * size / side.norm().clamp_min(1e-12) * side
        run.update((y.float() * pull).sum() + 1e-4 * z.float().square().mean())
        if step % 100 == 0:
            say(
                "vae",
                step,
                figures,
                f"adversary {known:.2f}",
                f"{batch * ranks() * 100 / (time.monotonic() - before):.0f}/s",
            )
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


FACE_PULL, TEXTURE_PULL, ADVERSE_PULL = 0.8, 0.3, 0.25
"""How hard likeness, texture and the discriminator pull on decoded pictures, beside 1 towards the right pixels."""
ADVERSE_FROM = 0.25
"""The share of the training after which the discriminator, by then no beginner, has a say."""


def _pull(
    recognition: Recognition, y: torch.Tensor, x: torch.Tensor, points: torch.Tensor, seen: torch.Tensor, details: bool
) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Return the gradient of the loss for decoded pictures y [B, 3, S, S]: pixels, faces and texture, weighed.

    With it come the norm of the pixels' part and what to print.

    Each part's gradient is brought to a fixed share of the pixels' (as Esser et al. 2021 weigh VQGAN's), so that
    nothing has to be tuned to the scale of a loss. `points` [F, 3, 2] are of the first F pictures, for those `seen`.
    """
    y.requires_grad_(True)
    off = y - x
    edges = sum((a - b).abs().mean() for a, b in zip(gradients(y), gradients(x), strict=True))
    pixels = 20 * off.square().mean() + off.abs().mean() + edges
    texture = (_roughness(y) - _roughness(x)).abs().mean()
    (pull,) = torch.autograd.grad(pixels, y, retain_graph=True)
    size = pull.norm()
    (side,) = torch.autograd.grad(texture, y, retain_graph=True)
    pull = pull + TEXTURE_PULL * size / side.norm().clamp_min(1e-12) * side
    a, b = (aligned(v[: len(points)], points) for v in (y, x))
    apart, cosine = difference(recognition, a, b, seen)
    (side,) = torch.autograd.grad(apart, y)
    pull = pull + FACE_PULL * size / side.norm().clamp_min(1e-12) * side
    said = (
        f"pixels {pixels.item():.4f} texture {texture.item():.4f} cosine {cosine[seen].mean().item():.3f}"
        if details
        else ""
    )
    return pull.contiguous(memory_format=torch.channels_last), size, said


def _roughness(x: torch.Tensor) -> torch.Tensor:
    """Return the root mean square step between neighbours over every 8 px square, [B, 3, S / 8, S / 8]."""
    down, across = gradients(x)
    power = F.pad(down, (0, 0, 0, 1)).square() + F.pad(across, (0, 1)).square()
    return (F.avg_pool2d(power, 8) + 1e-5).sqrt()


@torch.no_grad()
def _judged(network: Vae, held: People, recognition: Recognition, device: torch.device) -> dict[str, float]:
    psnr, cosines, rough = [], [], []
    points = held.keypoints[:, list(POINTS)].to(device)
    for chunk, at in zip(held.images.split(64), points.split(64), strict=True):
        x = pictures(chunk)
        with autocast(device):
            y = network.decode(network.encode(x))
        y = y.float().clamp(0, 1)
        psnr.append(-10 * (y - x).square().mean((1, 2, 3)).log10())
        seen = (at[..., 2] > 0).all(1)
        a, b = (aligned(v, at[..., :2]) for v in (y, x))
        cosines.append(difference(recognition, a, b, seen)[1][seen])
        rough.append(_roughness(a[seen]).square().mean() / _roughness(b[seen]).square().mean())
    return {
        "psnr": torch.cat(psnr).mean().item(),
        "cosine": torch.cat(cosines).mean().item(),
        "gradient energy of faces": torch.stack(rough).mean().item(),
    }


class RoundTrip(nn.Module):
    """The autoencoder there and back, with a little noise on the latents."""

    def __init__(self, vae: Vae):
        super().__init__()
        self.vae = vae

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the decoded pictures [B, 3, H, W] and the latents."""
        z = self.vae.encode(x)
        return self.vae.decode(z + 0.03 * torch.randn_like(z)), z
