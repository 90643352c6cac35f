"""How much a face is worth in tuning by reward: like the person's photos, no more than they are, and no copy of one.

The person is the direction of the photos that training saw. The held-out photos, which judge the result, have no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..portrait import identity, warping
from ..portrait.colour_spaces import LUMA
from ..portrait.faces import detect
from ..portrait.likeness import comparing
from ..portrait.likeness.band import own_band
from ..portrait.likeness.known import KnownPhotos
from ..portrait.likeness.registering import BOTTOM, LEFT, RIGHT, TOP
from ..portrait.networks import sface

SOFT = 2  # px of a cell: portraits are softer than photos


@dataclass(frozen=True, eq=False)
class FaceReward:
    """What faces are held against, on one device.

    `person` `[K]` is the direction of the photos, `most` the cosine to it from which on more is worth nothing. `photos`
    `[N, K]` and `shades` `[N, P]` are the photos as faces and as light and shade, `nearest` and `closest` how alike two
    of them are at most. `weight` is that of copying, `beside` and `blur` how faces are moved and softened first.
    """

    person: torch.Tensor
    most: float
    photos: torch.Tensor
    nearest: float
    shades: torch.Tensor
    closest: float
    weight: float
    beside: float
    blur: float

    def __call__(self, picture: torch.Tensor, random: torch.Generator) -> torch.Tensor | None:
        """Return the reward `[]` of the largest face of a picture `[3, H, W]` (RGB, about 0..1), None without a face.

        Where the face is has no gradient, what it looks like has.
        """
        face = self.face(picture, random)
        if face is None:
            return None
        softened = _blurred(face, self.blur * float(torch.rand((), generator=random)))
        if torch.rand((), generator=random) < 0.5:
            softened = softened.flip(-1)
        network = sface.network(str(picture.device))
        seen = functional.normalize(network(torch.stack((softened, face))), dim=1)
        alike = (seen[0] @ self.person).clamp(max=self.most)
        as_face = _above((self.photos @ seen[1]).max(), self.nearest)
        as_pixels = _above((self.shades @ shades(face[None])[0]).max(), self.closest)
        return alike - self.weight * (as_face + as_pixels)

    def face(self, picture: torch.Tensor, random: torch.Generator) -> torch.Tensor | None:
        """Return the largest face `[3, 112, 112]` (RGB, 0..255) of a picture, a little beside the template."""
        seen = (picture.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
        found = detect(seen.cpu().numpy())
        if not found:
            return None
        moved = torch.randn(6, 2, generator=random, dtype=torch.float64).numpy() * self.beside * found[0].side
        marks = np.array(found[0].landmarks) + moved[:5] + moved[5]
        return warping.aligned((picture * 255).permute(1, 2, 0), marks)


def of_photos(
    known: KnownPhotos | None, device: torch.device, numbers: dict[str, Any]
) -> tuple[FaceReward | None, str]:
    """Return the reward of a person's photos, or None and why there is none, as the end of a sentence.

    `numbers` are those of reward.toml.
    """
    if known is None:
        return None, "the faces of the photos are not known"
    if known.backend != identity.SFaceEmbedder.name:
        return None, f"{known.backend} gives no gradient; measure likeness with {identity.SFaceEmbedder.name}"
    chosen = known.trained if known.trained.any() else np.ones(len(known), bool)
    names = tuple(name for name, trained in zip(known.names, chosen, strict=True) if trained)
    seen = KnownPhotos(
        names, known.faces[chosen], known.embeddings[chosen], known.turns[chosen], chosen[chosen], known.backend
    )
    band, why = own_band(seen)
    if band is None:
        return None, why[:1].lower() + why[1:].removesuffix(".")
    embeddings = torch.from_numpy(np.asarray(seen.embeddings, np.float32))
    faces = torch.from_numpy(seen.faces).permute(0, 3, 1, 2).float()
    patterns = shades(faces)
    alike = patterns @ patterns.T
    twice = (embeddings @ embeddings.T > comparing.limits()["alike_face"]) | torch.eye(len(seen), dtype=torch.bool)
    return FaceReward(
        torch.from_numpy(identity.reference(seen.embeddings)).to(device),
        band.high,
        embeddings.to(device),
        band.nearest,
        patterns.to(device),
        float(alike[~twice].max()),
        float(numbers["copying"]),
        float(numbers["beside"]),
        float(numbers["blur"]),
    ), ""


def shades(faces: torch.Tensor) -> torch.Tensor:
    """Return light and shade of aligned faces `[N, 3, 112, 112]` as vectors `[N, P]` of mean 0 and length 1."""
    luma = torch.einsum("nchw,c->nhw", faces, torch.tensor(LUMA, dtype=faces.dtype, device=faces.device))
    cells = functional.avg_pool2d(luma[:, None, TOP:BOTTOM, LEFT:RIGHT], SOFT).flatten(1)
    return functional.normalize(cells - cells.mean(1, keepdim=True), dim=1)


def _above(value: torch.Tensor, limit: float) -> torch.Tensor:
    """Return how far a cosine or correlation is above its limit: 0 up to it, 1 at 1."""
    return (value - limit).clamp(min=0) / max(1 - limit, 1e-3)


def _blurred(face: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return a face `[3, H, W]` blurred by a Gaussian of `sigma` px."""
    if sigma < 0.3:  # less than the pixels themselves
        return face
    reach = round(3 * sigma)
    at = torch.arange(-reach, reach + 1, device=face.device, dtype=face.dtype)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = functional.pad(face[:, None], (reach,) * 4, "replicate")
    across = functional.conv2d(padded, kernel)
    return functional.conv2d(across, kernel.transpose(2, 3))[:, 0]
