"""The canonical body: the rest mesh, its named parts, textures, weights, and maps made from them once.

Everything a person wears (garments, hair, glasses) is modelled once on the canonical body and carried to each person:
garments by sparse matrices from the body's vertices, hair and collars by a smooth warp of space (`Warp`).
Axes, metres: x to the person's left, y backwards (the face looks along -y), z up. Data: MakeHuman base mesh, CC0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import sparse
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without types

from .body import Body

MASKS = ("lips", "ears", "eyelids", "inside-mouth")
VERTICES = 19158
BODY_VERTICES = 13380
HEAD_CENTRE = (0.0, -0.03, 0.70)
ARM_ORIGIN, ARM_AXIS = np.array([0.165, -0.013, 0.427]), np.array([0.635, -0.357, -0.685])


@dataclass(frozen=True)
class Template:
    """What is known of the canonical body.

    canonical [19158,3]; faces and texture faces per named group (triangles [T,3]); uv [N,2]; masks [4,S,S] in the
    order of MASKS; weights: per vertex share (0..1) of the bones of arm, hand, leg, foot, head.
    """

    canonical: np.ndarray
    faces: dict[str, np.ndarray]
    uv_faces: dict[str, np.ndarray]
    uv: np.ndarray
    masks: np.ndarray
    weights: dict[str, np.ndarray]

    def ear(self) -> np.ndarray:
        """How much each vertex belongs to an ear, 0..1."""
        out = np.zeros(VERTICES, np.float32)
        faces, uv = self.faces["body"].ravel(), self.uv[self.uv_faces["body"].ravel()]
        size = self.masks.shape[-1]
        at = np.clip((np.stack([1 - uv[:, 1], uv[:, 0]]) * size).astype(int), 0, size - 1)
        out[faces] = self.masks[1][at[0], at[1]]
        return out


@lru_cache(maxsize=1)
def template() -> Template:
    """The canonical body's parts (made once, about a second)."""
    body = Body("cpu")
    weight, labels = body.skin_weights.numpy(), np.array(body.bones)
    with Image.open(Path(__file__).parent / "skin_masks.png") as picture:
        masks = np.asarray(picture.convert("RGBA"), np.float32).transpose(2, 0, 1) / 255

    def share(*starts: str) -> np.ndarray:
        return weight[:, [label.startswith(starts) for label in labels]].sum(1).astype(np.float32)

    weights = {
        "arm": share("upperarm", "lowerarm", "wrist", "finger", "metacarpal"),
        "hand": share("wrist", "finger", "metacarpal"),
        "leg": share("upperleg", "lowerleg", "foot", "toe"),
        "foot": share("foot", "toe"),
        "head": share("head", "eye", "jaw", "neck03"),
    }
    return Template(
        body.canonical.numpy().astype(np.float32),
        {name: f.vertices.numpy() for name, f in body.faces.items()},
        {name: f.texture.numpy() for name, f in body.faces.items()},
        body.texture_coordinates.numpy().astype(np.float32),
        masks,
        weights,
    )


def along_arm(canonical: np.ndarray) -> np.ndarray:
    """Distance [N] in metres from the shoulder joint along either arm of canonical points [N,3]."""
    mirrored = canonical * np.sign(canonical[:, :1]) ** np.array([1, 0, 0])
    return ((mirrored - ARM_ORIGIN) @ ARM_AXIS).astype(np.float32)


def edges(faces: np.ndarray) -> np.ndarray:
    """Both directions of every edge of triangles [T,3] -> [E,2], unique."""
    pairs = np.concatenate([faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2))])
    return np.unique(pairs, axis=0)


def subdivide(faces: np.ndarray, count: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Split each triangle in four. Returns faces over the new vertices and the matrix [new, count] that makes them.

    New vertices are the used old ones followed by edge midpoints.
    """
    used, local = np.unique(faces, return_inverse=True)
    local = local.reshape(faces.shape)
    pairs = np.sort(np.concatenate([local[:, [0, 1]], local[:, [1, 2]], local[:, [2, 0]]]), axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    n, t = len(used), len(faces)
    ab, bc, ca = (inverse.ravel()[k * t : (k + 1) * t] + n for k in range(3))
    a, b, c = local.T
    out = np.concatenate([np.stack(q, 1) for q in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    rows = np.concatenate([np.arange(n), np.repeat(np.arange(len(unique)) + n, 2)])
    cols = np.concatenate([used, used[unique.ravel()]])
    values = np.concatenate([np.ones(n), np.full(2 * len(unique), 0.5)])
    return out, sparse.csr_matrix((values, (rows, cols)), (n + len(unique), count))


def smoother(faces: np.ndarray, count: int, strength: np.ndarray, rounds: int) -> sparse.csr_matrix:
    """Laplacian smoothing as a matrix [count, count]; strength [count] 0..1: how far a vertex follows its ring."""
    e = edges(faces)
    near = sparse.csr_matrix((np.ones(len(e)), (e[:, 0], e[:, 1])), (count, count))
    degree = np.asarray(near.sum(1)).ravel()
    mean = sparse.diags(1 / np.maximum(degree, 1)) @ near
    s = np.where(degree > 0, strength, 0)
    step = sparse.diags(1 - s) + sparse.diags(s) @ mean
    out = sparse.csr_matrix(sparse.identity(count))
    for _ in range(rounds):
        out = sparse.csr_matrix(step @ out)
    return out


def to_torch(matrix: sparse.csr_matrix, device: torch.device | str) -> torch.Tensor:
    """A scipy matrix as a float32 torch CSR tensor."""
    m = matrix.tocsr()
    return torch.sparse_csr_tensor(
        torch.from_numpy(m.indptr.astype(np.int64)),
        torch.from_numpy(m.indices.astype(np.int64)),
        torch.from_numpy(m.data.astype(np.float32)),
        m.shape,
    ).to(device)


def apply(matrix: torch.Tensor, vertices: torch.Tensor) -> torch.Tensor:
    """Sparse [N,V] times vertices [B,V,3] -> [B,N,3]."""
    b, v, c = vertices.shape
    flat = vertices.permute(1, 0, 2).reshape(v, b * c)
    return (matrix @ flat).reshape(-1, b, c).permute(1, 0, 2)


def vertex_faces(faces: np.ndarray, count: int, most: int = 12) -> np.ndarray:
    """For each vertex the faces around it [count, most], padded with len(faces) (the index of a zero row)."""
    order = np.argsort(faces.ravel(), kind="stable")
    vertex, face = faces.ravel()[order], order // 3
    start = np.searchsorted(vertex, np.arange(count))
    slot = np.arange(len(vertex)) - start[vertex]
    out = np.full((count, most), len(faces), np.int64)
    fits = slot < most
    out[vertex[fits], slot[fits]] = face[fits]
    return out


def normals(vertices: torch.Tensor, faces: torch.Tensor, around: torch.Tensor) -> torch.Tensor:
    """Area-weighted unit vertex normals of [B,V,3]; gathers in a fixed order, so the result is reproducible."""
    a, b, c = (vertices[:, faces[:, k]] for k in range(3))
    flat = torch.cross(b - a, c - a, dim=-1)
    flat = torch.cat([flat, torch.zeros_like(flat[:, :1])], 1)
    out = torch.zeros_like(vertices)
    for k in range(around.shape[1]):
        out += flat[:, around[:, k]]
    return torch.nn.functional.normalize(out, dim=-1, eps=1e-12)


class Warp:
    """A smooth map of space that follows the body: biharmonic splines through control vertices.

    phi(r) = r with an affine part (Duchon 1977; interpolates exactly, extends linearly), solved once for the canonical
    control points; a person costs one small matrix product.
    """

    def __init__(self, controls: np.ndarray, device: torch.device | str) -> None:
        """Choose `controls`, indices of body vertices, as what drags space along."""
        points = template().canonical[controls].astype(np.float64)
        n = len(points)
        phi = np.linalg.norm(points[:, None] - points[None], axis=-1)
        affine = np.concatenate([np.ones((n, 1)), points], 1)
        system = np.block([[phi + 1e-4 * np.eye(n), affine], [affine.T, np.zeros((4, 4))]])
        self.solve = torch.from_numpy(np.linalg.inv(system)[:, :n]).to(device, torch.float32)
        self.points = torch.from_numpy(points).to(device, torch.float32)
        self.controls = torch.from_numpy(controls).to(device)

    def coefficients(self, vertices: torch.Tensor) -> torch.Tensor:
        """Body vertices [B,19158,3] -> coefficients [B,n+4,3] of each person's map."""
        return self.solve @ vertices[:, self.controls]

    def __call__(self, coefficients: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Carry canonical points [B,N,3] or [N,3] to the persons: [B,N,3]."""
        b = coefficients.shape[0]
        at = points if points.dim() == 3 else points[None]
        square = torch.zeros((), device=at.device)
        for axis in range(3):
            square = square + (at[..., axis, None] - self.points[:, axis]).square()
        phi = square.sqrt()
        basis = torch.cat([phi, torch.ones_like(at[..., :1]), at], -1)
        return basis.expand(b, -1, -1) @ coefficients


def spread(points: np.ndarray, count: int, first: int = 0) -> np.ndarray:
    """Indices of `count` points far from one another (farthest-point sampling, deterministic)."""
    chosen = [first]
    distance = np.linalg.norm(points - points[first], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


@lru_cache(maxsize=1)
def head_controls() -> np.ndarray:
    """Control vertices for hair, collars and glasses: dense on the head, sparse on neck, shoulders, chest and back."""
    c, w = template().canonical[:BODY_VERTICES], template().weights
    inner = np.zeros(BODY_VERTICES, bool)
    inner[template().faces["body"].ravel()] = True
    head = np.flatnonzero(inner & (c[:, 2] > 0.60) & (template().ear()[:BODY_VERTICES] < 0.1))
    rest = np.flatnonzero(
        inner & (c[:, 2] > 0.30) & (c[:, 2] <= 0.60) & (np.abs(c[:, 0]) < 0.2) & (w["arm"][:BODY_VERTICES] < 0.6)
    )
    return np.concatenate([head[spread(c[head], 56)], rest[spread(c[rest], 40)]])


class Distance:
    """Signed distance to the canonical head, neck and shoulders (and ears, if asked), sampled on a grid."""

    LOW, HIGH, STEP = np.array([-0.30, -0.26, 0.20]), np.array([0.30, 0.24, 0.98]), 0.009

    def __init__(self, device: torch.device | str, ears: bool = True) -> None:
        """Measure the distance of each grid point from the body's surface; inside is negative."""
        t = template()
        faces = t.faces["body"]
        if not ears:
            faces = faces[(t.ear()[faces] < 0.1).all(1)]
        faces = faces[(t.canonical[faces][:, :, 2] > 0.15).all(1) & (np.abs(t.canonical[faces][:, :, 0]) < 0.36).all(1)]
        tri = t.canonical[faces]
        bary = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]], np.float32)
        bary /= bary.sum(1, keepdims=True)
        centre = np.einsum("kc,tcd->tkd", bary, tri).reshape(-1, 3)
        flat = np.cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0])
        normal = np.repeat(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-12), 4, 0)
        axes = [np.arange(lo, hi, self.STEP) for lo, hi in zip(self.LOW, self.HIGH, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        length, near = cKDTree(centre).query(grid.reshape(-1, 3), k=4)
        toward = ((grid.reshape(-1, 1, 3) - centre[near]) * normal[near]).sum(-1)
        weight = 1 / (length + 1e-3) ** 2
        inside = (toward * weight).sum(1) < 0
        value = np.where(inside, -length[:, 0], length[:, 0]).reshape(grid.shape[:3]).astype(np.float32)
        self.size = [len(a) for a in axes]
        self.grid = torch.from_numpy(value).permute(2, 1, 0)[None, None].contiguous().to(device)
        self.low = torch.tensor(self.LOW, dtype=torch.float32, device=device)
        self.span = torch.tensor([(n - 1) * self.STEP for n in self.size], dtype=torch.float32, device=device)

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Distance in metres at canonical points [...,3] (clamped to the grid's edge)."""
        at = ((points - self.low) / self.span * 2 - 1).reshape(1, 1, 1, -1, 3)
        out = torch.nn.functional.grid_sample(self.grid, at, padding_mode="border", align_corners=True)
        return out.reshape(points.shape[:-1])

    def gradient(self, points: torch.Tensor, h: float = 0.008) -> torch.Tensor:
        """Unit outward direction at canonical points [...,3]."""
        step = torch.eye(3, device=points.device) * h
        g = torch.stack([self(points + step[k]) - self(points - step[k]) for k in range(3)], -1)
        return torch.nn.functional.normalize(g, dim=-1, eps=1e-9)
