"""From persons to pictures: body, clothes and hair put together and drawn in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from . import camera as cam
from . import glasses, shade
from . import materials as mt
from . import template as tm
from .beard import FaceHair
from .body import Body, BodyMesh
from .camera import Camera
from .garments import Garments, Outfit
from .hair import SHELLS, Hair
from .identity import Identity
from .light import Light, background
from .raster import rasterise
from .strands import Grown, Strands
from .surfaces import Surfaces

PARTS = (
    "skin", "eyes", "teeth", "tongue", "lashes", "top", "outer", "lapel", "legs", "feet", "skirt", "collar", "shells",
    "glasses", "strands", "beard",
)  # fmt: skip
SHADOW = 512
MEET = 0.94
"""Cosine between where the pose turns the eyes and the camera above which they look into it."""
NASAL = 0.015
"""How far (radians) each eye is turned inwards besides: the lids of the mesh open a little to the side."""


@dataclass(frozen=True)
class Shot:
    """One picture to take.

    expression: facial actions by name, 0..1; pose: rotation vectors [J,3] for `Body.mesh`; words: extra facts for
    captions (expression, pose).
    """

    identity: Identity
    outfit: Outfit
    light: Light
    camera: Camera
    expression: dict[str, float] = field(default_factory=dict)
    pose: np.ndarray | None = None
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RenderedPictures:
    """images [B,3,S,S] uint8; keypoints [B,60,3] (x, y in pixels, visible 0/1); face_box [B,4] pixels (left, top,
    right, bottom); mask [B,S,S] uint8 (1: person).
    """

    images: torch.Tensor
    keypoints: torch.Tensor
    face_box: torch.Tensor
    mask: torch.Tensor


class Renderer:
    """Draws persons on one device; holds everything that does not depend on them."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        """Prepare body, wardrobe, hair and the joint mesh."""
        self.device = torch.device(device)
        self.body = Body(self.device)
        self.hair = Hair(self.device)
        self.strands = Strands(self.hair)
        self.beard = FaceHair(self.device)
        self.garments = Garments(self.device)
        self.warp = tm.Warp(tm.head_controls(), self.device)
        self._assemble()

    def _assemble(self) -> None:
        t = tm.template()
        to = lambda a: torch.from_numpy(np.ascontiguousarray(a)).to(self.device)  # noqa: E731
        f, c = t.faces, t.canonical
        left, right = (np.unique(f[k]) for k in ("helper-l-eye", "helper-r-eye"))
        self.eye_centre = to(np.stack([(c[v].max(0) + c[v].min(0)) / 2 for v in (left, right)]).astype(np.float32))
        self.eye_height = float(self.eye_centre[:, 2].mean())
        lashes = np.concatenate([v for k, v in f.items() if "eyelash" in k])
        g, h = self.garments, self.hair
        own = {
            "skin": f["body"],
            "eyes": np.concatenate([f["helper-l-eye"], f["helper-r-eye"]]),
            "teeth": np.concatenate([f["helper-upper-teeth"], f["helper-lower-teeth"]]),
            "tongue": f["helper-tongue"],
            "lashes": lashes,
        }
        blocks = {}
        for name in ("top", "outer", "lapel", "legs", "feet", "skirt"):
            piece = getattr(g, "outer" if name == "lapel" else name)
            blocks[name] = (piece.faces, piece.canonical.cpu().numpy())
        collar_count = int(g.grid_faces.max()) + 1
        blocks["collar"] = (g.grid_faces, np.zeros((collar_count, 3), np.float32))
        blocks["shells"] = (h.shell_faces, np.tile(h.shell_canonical, (SHELLS, 1)))
        blocks["glasses"] = (glasses.faces(), np.zeros((glasses.COUNT, 3), np.float32))
        grown = {"strands": self.strands, "beard": self.beard}
        blocks |= {name: (hair.faces, np.zeros((len(hair.own), 3), np.float32)) for name, hair in grown.items()}
        alpha = {name: hair.own[:, [2, 2, 2, 0, 0]] * [1, 0, 0, 1, 0] - [0, 0, 0, 0, 1] for name, hair in grown.items()}
        faces = [own[n] for n in PARTS[:5]]
        part = [np.full(len(own[n]), i) for i, n in enumerate(PARTS[:5])]
        canonical, noise = [t.canonical], [self._body_noise(lashes)]
        offset = tm.VERTICES
        self.slices: dict[str, slice] = {}
        for name, (block, where) in blocks.items():
            faces.append(block + offset)
            part.append(np.full(len(block), PARTS.index(name)))
            canonical.append(where)
            noise.append((alpha | {"shells": h.shell_noise}).get(name, np.zeros((len(where), 5))))
            self.slices[name] = slice(offset, offset + len(where))
            offset += len(where)
        tris = np.concatenate(faces)
        self.tris = to(tris.astype(np.int64))
        self.part = to(np.concatenate(part))
        self.strand_noise = to(np.concatenate(noise).astype(np.float32))
        self.solid = self.slices["strands"].start
        self.solid_tris = self.tris[: len(tris) - sum(len(hair.faces) for hair in grown.values())]
        self.around = to(tm.vertex_faces(self.solid_tris.cpu().numpy(), self.solid, 9))
        strand = torch.zeros(offset, 3, device=self.device)
        for name, hair in grown.items():
            strand[self.slices[name]] = to(hair.own)
        self.surfaces = Surfaces(
            noise=mt.Noise(self.device),
            canonical=to(np.concatenate(canonical).astype(np.float32)),
            strand=strand,
            skin_uv=to(t.uv[t.uv_faces["body"]].astype(np.float32)),
            masks=to(t.masks)[None],
            eye_centre=self.eye_centre,
        )
        used = np.unique(f["body"])
        inner = np.zeros(tm.VERTICES, bool)
        inner[used] = True
        x, y, z = np.abs(c).T[0], c[:, 1], c[:, 2]
        face = inner & (x < 0.068) & (y < -0.055) & (z > 0.590) & (z < 0.752)
        self.face_vertices = to(np.flatnonzero(face))
        self.head_top = int(np.flatnonzero(inner)[c[inner][:, 2].argmax()])
        self.chin = int(np.abs(c - np.array([0, -0.135, 0.592])).sum(1).argmin())

    def _body_noise(self, lashes: np.ndarray) -> np.ndarray:
        """Alpha of the lashes: most at the lid, none at the tips, little on the lower lid."""
        from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without types

        c = tm.template().canonical
        used = np.unique(lashes)
        away, near = cKDTree(c[: tm.BODY_VERTICES]).query(c[used])
        self.lash_vertices = torch.from_numpy(used).to(self.device)
        self.lash_near = torch.from_numpy(near).to(self.device)
        tip = (away / 0.0075).clip(0, 1).astype(np.float32)
        upper = c[used, 2] > self.eye_height
        self.lash_keep = torch.from_numpy(np.where(upper, 1.15, 0.25).astype(np.float32) * (1 - tip)).to(self.device)
        noise = np.zeros((tm.VERTICES, 5), np.float32)
        noise[used, 0] = np.arange(len(used))
        noise[used, 4] = -1.0
        return noise

    def numbers(self, shots: Sequence[Shot]) -> dict[str, torch.Tensor]:
        """Every number of the shots as tensors [B] or [B,k] on the device."""
        rows = [{**s.identity.numbers, **s.outfit.numbers, **s.light.numbers} for s in shots]
        names = list(rows[0])
        width = [len(value) if isinstance(value, tuple) else 0 for value in rows[0].values()]
        flat = np.array([np.concatenate([np.atleast_1d(r[n]) for n in names]) for r in rows], np.float32)
        packed = torch.from_numpy(flat).to(self.device)
        out, at = {}, 0
        for name, w in zip(names, width, strict=True):
            out[name] = packed[:, at : at + w] if w else packed[:, at]
            at += max(w, 1)
        return out

    def bodies(self, shots: Sequence[Shot]):
        """The posed bodies of the shots (`BodyMesh`)."""
        shape_names = list(shots[0].identity.shape)
        shape = torch.tensor([[s.identity.shape[n] for n in shape_names] for s in shots], device=self.device)
        actions = sorted({a for s in shots for a in s.expression})
        face = torch.tensor([[s.expression.get(a, 0.0) for a in actions] for s in shots], device=self.device)
        joints = len(self.body.bones)
        pose = np.stack([np.zeros((joints, 3), np.float32) if s.pose is None else s.pose for s in shots]).astype(
            np.float32
        )
        return self.body.mesh(
            {n: shape[:, i] for i, n in enumerate(shape_names)},
            torch.from_numpy(pose).to(self.device),
            {a: face[:, i] for i, a in enumerate(actions)},
        )

    def geometry(
        self, mesh: BodyMesh, p: dict[str, torch.Tensor], eye: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Vertices [B,V,3] of the joint mesh, their keep [B,V] and unit normals [B,V,3]; eye [B,3] is the camera."""
        vertices = mesh.vertices
        lash = p["lash"][:, None, None] * 0.66
        vertices = vertices.clone()
        at = vertices[:, self.lash_near]
        vertices[:, self.lash_vertices] = at + (vertices[:, self.lash_vertices] - at) * lash
        keep = self.garments.skin_keep(p)
        keep[:, self.lash_vertices] = self.lash_keep * p["lash"][:, None]
        all_vertices, all_keep = [vertices], [keep]
        dressed = self.garments.dress(vertices, p)
        coefficients = self.warp.coefficients(vertices)
        for name, make in (
            ("collar", self.garments.collars),
            ("glasses", glasses.points),
        ):
            points, kept = make(p)
            dressed[name] = (self.warp(coefficients, points), kept)
        dressed["shells"] = self.hair.shells(p, vertices)
        for name in list(self.slices)[:-2]:
            all_vertices.append(dressed[name][0])
            all_keep.append(dressed[name][1].expand(len(vertices), -1))
        solid = torch.cat(all_vertices, 1)
        normals = tm.normals(solid, self.solid_tris, self.around)
        grown = self._grow(mesh, p, coefficients, eye)
        return (
            torch.cat([solid, *(hair.vertices for hair in grown)], 1),
            torch.cat([*all_keep, *(hair.alpha for hair in grown)], 1),
            torch.cat([normals, *(hair.normals for hair in grown)], 1),
        )

    def _grow(self, mesh: BodyMesh, p: dict[str, torch.Tensor], coefficients: torch.Tensor, eye) -> tuple[Grown, Grown]:
        guides = self.hair.guides(p)
        lines = self.warp(coefficients, guides.lines.flatten(1, 2)).unflatten(1, guides.lines.shape[1:3])
        turn = mesh.transforms[:, self.body.head, :, :3]
        return self.strands.grow(p, guides, lines, turn, eye), self.beard.grow(p, mesh.vertices, turn, eye)

    @torch.no_grad()
    def render(self, shots: Sequence[Shot], size: int = 256, supersample: int = 3) -> RenderedPictures:
        """Take the shots as square pictures of `size` pixels."""
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            return self._render(shots, size, supersample)
        finally:
            torch.set_float32_matmul_precision(precision)

    def _render(self, shots: Sequence[Shot], size: int, supersample: int) -> RenderedPictures:
        p = self.numbers(shots)
        mesh = self.bodies(shots)
        full = size * supersample
        top, chin = mesh.vertices[:, self.head_top], mesh.vertices[:, self.chin]
        target, half = cam.aim([s.camera.framing for s in shots], mesh.keypoints, top, chin)
        view = cam.view([s.camera for s in shots], target, half, full)
        eye = target - view.rotation[:, 1] * view.distance[:, None]
        p["gaze"] = self._gaze(mesh, eye)
        vertices, keep, normals = self.geometry(mesh, p, eye)
        points = view(vertices)
        depth, index = rasterise(points, keep, self.strand_noise, self.tris, full, full, True)
        linear_ = self._shade(p, vertices, keep, normals, points, depth, index, view, target, half)
        covered = (index >= 0).float()[:, None]
        back = background(p, size)
        pool = lambda a: torch.nn.functional.avg_pool2d(a, supersample)  # noqa: E731
        share = pool(covered)
        picture = shade.tone_map(pool(linear_) + back * (1 - share))
        grain = torch.from_numpy(
            np.random.Generator(np.random.Philox(key=int(p["back_seed"].sum().item()))).normal(
                0, 0.004, (1, 3, size, size)
            )
        ).to(self.device, torch.float32)
        images = ((picture + grain).clamp(0, 1) * 255).round().to(torch.uint8)
        keypoints = self._visible(view(mesh.keypoints), depth, supersample, size)
        at = view(mesh.vertices[:, self.face_vertices])[..., :2] / supersample
        box = torch.cat([at.amin(1), at.amax(1)], 1).clamp(0, size)
        return RenderedPictures(images, keypoints, box, (share[:, 0] > 0.5).to(torch.uint8))

    def _gaze(self, mesh: BodyMesh, eye: torch.Tensor) -> torch.Tensor:
        """Unit vectors [B,2,3] in canonical space along which both eyes look.

        They meet in the camera where the pose turns the eyes nearly there; else they go where the pose turns them.
        """
        bones = mesh.transforms[:, [self.body.bones.index("eye.L"), self.body.bones.index("eye.R")]]
        camera = torch.linalg.solve(bones[..., :3], (eye[:, None] - bones[..., 3])[..., None])[..., 0]
        sight = torch.nn.functional.normalize(camera - self.eye_centre, dim=-1)
        ahead = torch.tensor([0.0, -1.0, 0.0], device=self.device).expand_as(sight)
        near = (sight * ahead).sum(-1).amin(1) > MEET
        sight = torch.where(near[:, None, None], sight, ahead)
        nasal = torch.tensor([[-NASAL, 0, 0], [NASAL, 0, 0]], device=self.device)
        return torch.nn.functional.normalize(sight + nasal, dim=-1)

    def _visible(self, at: torch.Tensor, depth: torch.Tensor, supersample: int, size: int) -> torch.Tensor:
        """Keypoints in pixels with visibility: inside the picture, and not far behind what is drawn there."""
        b, full = depth.shape[:2]
        i, j = at[..., 0].long().clamp(0, full - 1), at[..., 1].long().clamp(0, full - 1)
        surface = depth.reshape(b, -1).gather(1, j * full + i)
        slack = torch.full((60,), 0.05, device=self.device)
        slack[:14] = 0.16
        slack[0] = 0.05
        xy = at[..., :2] / supersample
        inside = ((xy >= 0) & (xy < size)).all(-1)
        return torch.cat([xy, (inside & (at[..., 2] < surface + slack))[..., None].float()], -1)

    def _shadow(self, p, lamps, vertices, keep, view, target, half, f, position, normal) -> torch.Tensor:
        toward = (lamps.toward[:, None] @ view.rotation)[:, 0]
        up = torch.tensor([0, 0, 1.0], device=self.device).expand_as(toward)
        right = torch.nn.functional.normalize(torch.cross(up, toward, dim=1), dim=1)
        over = torch.cross(toward, right, dim=1)
        extent = (half * 1.25).clamp_min(0.30)
        frame = torch.stack([right, over, -toward], 1)

        def place(points: torch.Tensor, image: torch.Tensor | None) -> torch.Tensor:
            if image is None:
                q = (points - target[:, None]) @ frame.transpose(1, 2)
                scale = (SHADOW / 2 / extent)[:, None]
            else:
                q = shade.turn(frame[image], points - target[image])
                scale = (SHADOW / 2 / extent)[image]
            return torch.stack([SHADOW / 2 + q[..., 0] * scale, SHADOW / 2 + q[..., 1] * scale, q[..., 2] + 4.0], -1)

        drop = keep.clone()
        drop[:, self.lash_vertices] = -9.0
        map_, _ = rasterise(place(vertices, None), drop, self.strand_noise, self.tris, SHADOW, SHADOW, False)
        texel = (2 * extent / SHADOW)[f.image]
        at = place(position + normal * (0.0012 + texel[:, None] * 0.8), f.image)
        radius = p["soft"][f.image] * 0.0030 / texel
        return shade.soft_shadow(map_, f.image, at, radius, texel * 0.9, f.sample)

    def _shade(self, p, vertices, keep, normals, points, depth, index, view, target, half) -> torch.Tensor:
        b, size = index.shape[:2]
        f = shade.fragments(index, points, self.tris)
        position = f.own(vertices)
        normal = torch.nn.functional.normalize(f.own(normals), dim=1)
        lamps = shade.lighting(p)
        lit = self._shadow(p, lamps, vertices, keep, view, target, half, f, position, normal)
        small = depth[:, ::2, ::2]
        open_ = shade.occlusion(small, view.focal / view.distance / 2)
        open_ = torch.nn.functional.interpolate(
            torch.nn.functional.avg_pool2d(open_[:, None], 3, 1, 1),
            size=(size, size),
            mode="bilinear",
            align_corners=False,
        )
        open_ = (open_.reshape(-1)[f.sample] * 1.25).clamp(0, 1)
        normal = shade.turn(view.rotation[f.image], normal)
        colour = torch.zeros(len(f.sample), 3, device=self.device)
        part = self.part[f.triangle]
        for k, name in enumerate(PARTS):
            chosen = (part == k).nonzero()[:, 0]
            if len(chosen) == 0:
                continue
            colour[chosen] = self.surfaces.lit(
                name, f.of(chosen), normal[chosen], lit[chosen], open_[chosen], p, lamps, view, vertices, keep
            )
        out = torch.zeros(b * size * size, 3, device=self.device)
        out[f.sample] = colour
        return out.reshape(b, size, size, 3).permute(0, 3, 1, 2)
