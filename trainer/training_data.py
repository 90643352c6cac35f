"""A person's pictures ready for training: latents, masks and words made once, and the loss of any pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from . import buckets, captions, objective
from .batches import batch, class_pictures
from .examples import TrainingSet
from .guided import SamplerPath
from .settings import TrainSettings

HELD_OUT_SEED = 11
"""The seed of the noise that the loss on held-out photos is measured with: the same in every training."""


class Model(Protocol):
    """What training asks of a diffusion model; trainer.native.NativeModel is the host's."""

    device: torch.device
    sigmas: torch.Tensor
    velocity: bool
    layers: dict[str, torch.nn.Module]
    text: Any
    fingerprint: str
    family: str

    def encode(self, picture: np.ndarray) -> torch.Tensor:
        """Return the latent `[C, h, w]` of a picture `[H, W, 3]` (RGB, uint8)."""
        ...

    def encode_text(self, texts: Sequence[str]) -> list[Any]:
        """Return the texts as the model reads them."""
        ...

    def predict(self, x: torch.Tensor, t: torch.Tensor, prompts: Sequence[Any]) -> torch.Tensor:
        """Return the network's answer to noisy latents `[B, C, h, w]` at timesteps `[B]`."""
        ...

    def sample(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        size: tuple[int, int],
        steps: int,
        cfg: float,
        *,
        progress: Callable[[int, int], None] = ...,
    ) -> list[np.ndarray]:
        """Return a picture of every text and seed; `progress` is called with (done, total) on the way."""
        ...

    def ways(
        self, texts: Sequence[str], seeds: Sequence[int], size: tuple[int, int], steps: int, cfg: float
    ) -> list[SamplerPath]:
        """Return the way that `sample` takes to the picture of every text and seed; without gradients."""
        ...

    def decoder(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what turns latents `[B, C, h, w]` into pictures `[B, 3, H, W]` (RGB, about 0..1), with gradients."""
        ...

    def record(self, trained: Callable[[str], Sequence[torch.Tensor]]) -> None:
        """Make passes fast; `trained` gives the tensors that they train, by the beginning of names. Called once."""
        ...

    def renew(self) -> None:
        """Give back what was made for tensors that are trained no more."""
        ...

    def out_of_memory(self, error: BaseException) -> bool:
        """Return whether an error says that the device has no memory left."""
        ...

    def free(self) -> bool:
        """Give back memory that nobody needs; return whether that was more than scraps, so that another try pays."""
        ...

    def check(self) -> None:
        """Raise when the user has asked to stop."""
        ...


@dataclass(frozen=True, eq=False)
class BatchPart:
    """Pictures of one size that a pass sees.

    `x` `[B, C, h, w]` are noisy latents at timesteps `levels` `[B]`, a text each; the other fields are what
    objective.loss compares the answer with, and `share` is how much of the pass these pictures are, 0..1.
    """

    x: torch.Tensor
    levels: torch.Tensor
    texts: list[str]
    wanted: torch.Tensor
    weights: torch.Tensor
    of_picture: torch.Tensor
    share: float

    def loss(self, predicted: torch.Tensor) -> torch.Tensor:
        """Return what the network's answer adds to the loss of the pass, `[]`."""
        return objective.loss(predicted, self.wanted, self.weights, self.of_picture) * self.share


class TrainingData:
    """The pictures of one training.

    `class_images` are pictures of the class with their captions, all of the size that most crops have.
    """

    def __init__(
        self,
        model: Model,
        photos: TrainingSet,
        settings: TrainSettings,
        class_images: Sequence[tuple[np.ndarray, str]] = (),
    ) -> None:
        self.model, self.settings = model, settings
        self.latents, self.masks, self.captions, self.sizes = [], [], [], []
        for example in photos.examples:
            size = buckets.choose(example.image.shape[1], example.image.shape[0], settings.resolution)
            picture, mask = buckets.fit(example.image, example.mask, size)
            self._add(picture, mask, example.caption, size)
            model.check()
        self.subject_pictures = len(self.latents)
        for picture, caption in class_images:
            size = picture.shape[1], picture.shape[0]
            self._add(picture, np.zeros(picture.shape[:2], np.float32), caption, size)
            model.check()
        self.subject_words = captions.caption(photos.trigger, photos.class_word)
        self._held_out = [self._fitted(photo.image) for photo in photos.held_out]
        self._words = None if model.text is not None else dict(self._read([*self.captions, "", self.subject_words]))

    def _add(self, picture: np.ndarray, mask: np.ndarray, caption: str, size: tuple[int, int]) -> None:
        latent = self.model.encode(picture)
        small = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None]
        small = torch.nn.functional.adaptive_avg_pool2d(small, (latent.shape[-2], latent.shape[-1]))
        self.latents.append(latent)
        self.masks.append(small[0].to(latent.device))
        self.captions.append(caption)
        self.sizes.append(size)

    def _read(self, texts: Sequence[str]) -> list[tuple[str, Any]]:
        unique = list(dict.fromkeys(texts))
        return list(zip(unique, self.model.encode_text(unique), strict=True))

    def loss(self, number: int, count: int) -> torch.Tensor:
        """Return the loss `[]` of pass `number` with `count` pictures, class images among them."""
        total = torch.zeros((), device=self.model.device)
        for part in self.parts(number, count):
            total = total + part.loss(self.model.predict(part.x, part.levels, self.words(part.texts)))
        return total

    def parts(self, number: int, count: int) -> list[BatchPart]:
        """Return the pictures of pass `number`, `count` with class images among them, those of one size together."""
        settings = self.settings
        prior = len(self.latents) > self.subject_pictures and settings.prior_weight > 0
        of_class = class_pictures(count, settings.prior_share, number) if prior else 0
        subject, others = self.sizes[: self.subject_pictures], self.sizes[self.subject_pictures :]
        chosen = batch(subject, count - of_class, number, settings.seed) if count > of_class else []
        if of_class:
            chosen += [len(subject) + index for index in batch(others, of_class, number, settings.seed)]
        random = objective.generator(settings.seed, number)
        levels = objective.timesteps(len(chosen), len(self.model.sigmas), random)
        silent = torch.rand(len(chosen), generator=random) < settings.caption_dropout
        found = []
        for size in dict.fromkeys(self.sizes[index] for index in chosen):
            places = [place for place, index in enumerate(chosen) if self.sizes[index] == size]
            texts = ["" if silent[place] else self.captions[chosen[place]] for place in places]
            indices = [chosen[place] for place in places]
            found.append(self._part(indices, levels[places], texts, len(places) / len(chosen), random))
        return found

    def words(self, texts: Sequence[str]) -> list[Any]:
        """Return the texts as the model reads them."""
        known = dict(self._read(texts)) if self._words is None else self._words
        return [known[text] for text in texts]

    def _fitted(self, picture: np.ndarray) -> torch.Tensor:
        size = buckets.choose(picture.shape[1], picture.shape[0], self.settings.resolution)
        return self.model.encode(buckets.fit(picture, np.zeros(picture.shape[:2], np.float32), size)[0])

    def held_out_loss(self, levels: Sequence[float]) -> float | None:
        """Return the mean squared error on the held-out photos, with the same noise each time; None without any.

        `levels` are shares of the model's timesteps, 0..1. A rising loss on photos that training never saw, while that
        of the training falls, is overfitting that the faces need not show yet.
        """
        if not self._held_out:
            return None
        steps = torch.tensor([round(share * (len(self.model.sigmas) - 1)) for share in levels])
        (known,) = self.words([self.subject_words])
        errors = []
        with torch.no_grad():
            for index, latent in enumerate(self._held_out):
                random = objective.generator(HELD_OUT_SEED, index)
                latents = latent.expand(len(steps), *latent.shape)
                drawn = self._moved(objective.noise(tuple(latents.shape), 0.0, random))
                at = self._moved(steps)
                x, wanted = objective.noised(latents, drawn, self.model.sigmas[at], self.model.velocity)
                predicted = self.model.predict(x, at, [known] * len(steps))
                errors.append(float((predicted.float() - wanted.float()).square().mean()))
        return sum(errors) / len(errors)

    def _part(
        self, indices: list[int], levels: torch.Tensor, texts: list[str], share: float, random: torch.Generator
    ) -> BatchPart:
        settings = self.settings
        latents = torch.stack([self.latents[index] for index in indices])
        drawn = objective.noise(tuple(latents.shape), settings.noise_offset, random)
        prior = torch.tensor([index >= self.subject_pictures for index in indices])
        drawn, levels, prior = (self._moved(tensor) for tensor in (drawn, levels, prior))
        sigma = self.model.sigmas[levels]
        x, wanted = objective.noised(latents, drawn, sigma, self.model.velocity)
        masks = torch.stack([self.masks[index] for index in indices])
        weights = objective.face_weights(masks, settings.mask_weight)
        of_picture = objective.snr_weight(sigma, settings.min_snr_gamma, self.model.velocity)
        of_picture = torch.where(prior, of_picture * settings.prior_weight, of_picture)
        return BatchPart(x, levels, texts, wanted, weights, of_picture, share)

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor on the model's device, without waiting for what a card is doing."""
        device = self.model.device
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
