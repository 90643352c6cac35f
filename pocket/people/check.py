"""Are these people people? A face detector and a recogniser that know nothing of the renderer judge its pictures."""

from __future__ import annotations

import numpy as np
import torch

from ...portrait import faces
from ...portrait import identity as likeness
from . import captions, dataset, expressions, garments, light, poses
from .camera import Camera, camera
from .identity import identity
from .render import Shot

LIMITS = {"found": 0.99, "auc": 0.995, "same": 0.8, "different": 0.5}
MIN_SCORE = 0.8


def view(who: int, turn: float, rng: np.random.Generator) -> Shot:
    """A head-and-shoulders shot of an identity, turned by `turn` degrees, in any clothes and light but the darkest."""
    someone = identity(who)
    name, actions = expressions.sample(rng)
    pose = poses.get("head-front")
    lit = light.light(rng, kind=str(rng.choice(["soft light", "studio light", "rim light", "hard light"])))
    c = camera(rng, "head and shoulders")
    c = Camera(c.framing, turn, c.pitch, c.roll, c.zoom, c.shift, c.fov)
    words = {"expression": expressions.words(name), "view": pose.view}
    outfit = garments.outfit(rng, someone.sex == "woman")
    return Shot(someone, outfit, lit, c, actions, pose.rotations.numpy().astype(np.float32), words)


def pictures(shots: list[Shot], device: str, size: int) -> list[np.ndarray]:
    """Render shots to [S,S,3] uint8."""
    out: list[np.ndarray] = []
    step = 64 if torch.device(device).type == "cuda" else 4
    for k in range(0, len(shots), step):
        images = dataset.renderer(str(device)).render(shots[k : k + step], size).images
        out += list(images.permute(0, 2, 3, 1).cpu().numpy())
    return out


def separation(embeddings: np.ndarray, who: np.ndarray) -> dict[str, float]:
    """Mean cosine of pairs of the same and of different persons, and the area under the ROC curve between them."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    i, j = np.triu_indices(len(unit), 1)
    cosine, same = (unit @ unit.T)[i, j], (who[:, None] == who[None])[i, j]
    ranks = np.empty(len(cosine))
    ranks[np.argsort(cosine, kind="stable")] = np.arange(1, len(cosine) + 1)
    n, m = same.sum(), (~same).sum()
    auc = (ranks[same].sum() - n * (n + 1) / 2) / (n * m)
    return {"auc": float(auc), "same": float(cosine[same].mean()), "different": float(cosine[~same].mean())}


def measure(people: int, views: int, seed: int, device: str, size: int, turn: float = 45.0) -> dict:
    """Render `people` identities in `views` views between -turn and turn degrees and measure them against LIMITS.

    Returns found (share of pictures with a face at score >= .8), alone (exactly one), auc, same, different, missed
    (descriptions) and good.
    """
    turns = np.linspace(-turn, turn, views)
    shots = [
        view(50_000 + seed * 1000 + i, float(t), np.random.default_rng([seed, i, k]))
        for i in range(people)
        for k, t in enumerate(turns)
    ]
    embeddings, who, missed, alone = [], [], [], 0
    embed = likeness.embedder()
    for shot, image in zip(shots, pictures(shots, device, size), strict=True):
        found = [f for f in faces.detect(image, 0.5, False) if f.score >= MIN_SCORE]
        alone += len(found) == 1
        if not found:
            missed.append(f"{shot.camera.yaw:+.0f} degrees: {captions.caption(shot, np.random.default_rng(0))}")
            continue
        embeddings.append(likeness.embed(image, max(found, key=lambda f: f.score), embed))
        who.append(shot.identity.seed)
    result = {
        "people": people,
        "views": views,
        "size": size,
        "turn": turn,
        "found": 1 - len(missed) / len(shots),
        "alone": alone / len(shots),
        **separation(np.array(embeddings), np.array(who)),
    }
    good = result["found"] >= LIMITS["found"] and result["auc"] >= LIMITS["auc"]
    good = good and result["same"] >= LIMITS["same"] and result["different"] <= LIMITS["different"]
    return {**result, "missed": missed, "good": bool(good)}
