"""A diffusion model small enough to train in a test: convolutions and linears on latents of eight pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from portrait_studio.trainer import guided
from portrait_studio.trainer.examples import Example, HeldOut, TrainingSet


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Conv2d(4, 16, 3, padding=1)
        self.middle = nn.Linear(16, 16)
        self.context = nn.Linear(8, 16)
        self.out = nn.Conv2d(16, 4, 1)

    def forward(self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        h = self.into(x) + (t.float() / 1000).view(-1, 1, 1, 1) + self.context(context)[:, :, None, None]
        h = torch.tanh(self.middle(h.movedim(1, 3))).movedim(3, 1)
        return self.out(h)


class SmallModel:
    """What trainer.training_data.Model asks for."""

    device = torch.device("cpu")
    velocity = False
    text = None
    fingerprint = "small"
    family = "sd15"

    def __init__(self, pictures: list[np.ndarray] | None = None) -> None:
        torch.manual_seed(0)
        self.net = Net().requires_grad_(False)
        self.sigmas = torch.linspace(0.03, 14, 1000)
        self.layers = {"lora_unet_into": self.net.into, "lora_unet_middle": self.net.middle}
        self.pictures = pictures or [np.zeros((64, 64, 3), np.uint8)]
        self.checks = 0
        self.stop_at: int | None = None

    def encode(self, picture: np.ndarray) -> torch.Tensor:
        small = torch.from_numpy(picture.astype(np.float32) / 127.5 - 1).movedim(2, 0)
        small = nn.functional.adaptive_avg_pool2d(small, (picture.shape[0] // 8, picture.shape[1] // 8))
        return torch.cat([small, small.mean(0, keepdim=True)])

    def encode_text(self, texts) -> list[torch.Tensor]:
        return [torch.randn(8, generator=torch.Generator().manual_seed(len(text))) for text in texts]

    def predict(self, x, t, prompts) -> torch.Tensor:
        return self.net(x, t, torch.stack(list(prompts)))

    def sample(self, texts, seeds, size, steps, cfg, *, progress=None) -> list[np.ndarray]:
        """The pictures given, in turn; what is sampled does not matter to what is tested with this model."""
        return [self.pictures[seed % len(self.pictures)] for seed in seeds]

    def ways(self, texts, seeds, size, steps, cfg) -> list[guided.SamplerPath]:
        """Euler's steps from the highest noise level to the lowest."""
        sigmas = self.sigmas[torch.linspace(len(self.sigmas) - 1, 0, steps).long()]
        unwanted, found = self.encode_text([""])[0], []
        with torch.no_grad():
            for prompt, seed in zip(self.encode_text(texts), seeds, strict=True):
                shape = (1, 4, size[1] // 8, size[0] // 8)
                x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * sigmas[0]
                looks = []
                for sigma, below in zip(sigmas, [*sigmas[1:], torch.zeros(())], strict=True):
                    seen = guided.denoised(self, x, sigma[None], [prompt], unwanted, cfg)
                    looks.append((x[0], seen[0]))
                    x = seen + (x - seen) * below / sigma
                xs, seens = (torch.stack(one) for one in zip(*looks, strict=True))
                found.append(guided.SamplerPath(prompt, unwanted, xs, seens, sigmas))
        return found

    def decoder(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """The first of the pictures given, with the latents' colours on it."""
        picture = torch.from_numpy(self.pictures[0]).permute(2, 0, 1).float() / 255

        def decoded(latents: torch.Tensor) -> torch.Tensor:
            return picture + 0.01 * nn.functional.interpolate(latents[:, :3], picture.shape[1:], mode="bilinear")

        return decoded

    def record(self, trained: Callable[[str], Sequence[torch.Tensor]]) -> None:
        pass

    def renew(self) -> None:
        pass

    def out_of_memory(self, error: BaseException) -> bool:
        return "out of memory" in str(error)

    def free(self) -> bool:
        return False

    def check(self) -> None:
        self.checks += 1
        if self.stop_at is not None and self.checks >= self.stop_at:
            raise KeyboardInterrupt


def training_set(count: int = 5, side: int = 64) -> TrainingSet:
    random = np.random.default_rng(3)
    mask = np.zeros((side, side), np.float32)
    mask[16:40, 16:40] = 1
    examples = tuple(
        Example(random.integers(0, 255, (side, side, 3), np.uint8), mask, f"photo {i}", f"{i}.jpg", f"{i:064x}")
        for i in range(count)
    )
    kept = tuple(
        HeldOut(np.zeros((side, side, 3), np.uint8), np.eye(128, dtype=np.float32)[i], f"h{i}.jpg", f"{i + 90:064x}")
        for i in range(2)
    )
    return TrainingSet(examples, kept, (), "ohwx", "person")
