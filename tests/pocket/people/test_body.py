from __future__ import annotations

import pytest
import torch

from portrait_studio.pocket.people import rig
from portrait_studio.pocket.people.body import Body, nearest_rotation, rotation_matrix
from portrait_studio.portrait.errors import PortraitError

BATCH = 6


def random_people(body: Body, seed: int = 3) -> tuple[dict, torch.Tensor, dict]:
    draw = torch.Generator().manual_seed(seed)
    shape = {name: torch.rand(BATCH, generator=draw) for name in body.phenotypes}
    shape |= {name: torch.rand(BATCH, generator=draw) * 1.6 - 0.8 for name in body.local_changes}
    pose = torch.randn(BATCH, len(body.bones), 3, generator=draw) * 0.4
    expression = {name: torch.rand(BATCH, generator=draw) * 0.7 for name in body.facial_actions}
    return shape, pose, expression


def test_bodies_agree_with_anny_within_a_tenth_of_a_millimetre(body: Body):
    anny = pytest.importorskip("anny", reason="SYNTHETIC PEOPLE NOT COMPARED WITH ANNY: it is not installed")
    shape, pose, expression = random_people(body)
    anny.paths.set_anny_cache_path(rig.ANNY_CACHE)
    model = anny.Anny(
        topology="makehuman-full", local_changes="all", facial_actions="all", phenotypes="all", skinning_method="lbs"
    ).double()
    matrices = torch.eye(4, dtype=torch.float64).repeat(BATCH, len(body.bones), 1, 1)
    matrices[..., :3, :3] = rotation_matrix(pose.double())
    expected = model(
        matrices,
        {name: shape[name].double() for name in body.phenotypes},
        {name: shape[name].double() for name in body.local_changes},
        {name: value.double() for name, value in expression.items()},
    )
    mesh = body.mesh(shape, pose, expression)
    assert (mesh.vertices - expected["vertices"]).norm(dim=-1).max() < 1e-4
    assert (mesh.rest - expected["rest_vertices"]).norm(dim=-1).max() < 1e-4
    assert (mesh.joints - expected["bone_poses"][..., :3, 3]).norm(dim=-1).max() < 1e-4


def test_a_batch_is_the_same_bodies_as_one_by_one(body: Body):
    shape, pose, expression = random_people(body)
    together = body.mesh(shape, pose, expression).vertices
    for person in range(2):
        alone = body.mesh(
            {name: value[person] for name, value in shape.items()},
            pose[person : person + 1],
            {name: value[person : person + 1] for name, value in expression.items()},
        )
        torch.testing.assert_close(alone.vertices[0], together[person], atol=2e-5, rtol=0)


def test_a_name_nobody_knows_is_refused_with_the_nearest_ones(body: Body):
    with pytest.raises(PortraitError, match=r"'wieght'.*weight"):
        body.mesh({"wieght": 0.5})
    with pytest.raises(PortraitError, match=r"'jawOpn'.*jawOpen"):
        body.mesh(expression={"jawOpn": 0.5})


def test_batches_of_two_sizes_are_refused(body: Body):
    with pytest.raises(PortraitError, match=r"\[2, 3\]"):
        body.mesh({"weight": torch.rand(2)}, torch.zeros(3, len(body.bones), 3))


def test_the_head_bone_carries_the_face_from_rest_to_pose(body: Body):
    pose = torch.zeros(1, len(body.bones), 3)
    pose[0, body.head] = torch.tensor([0.0, 0.0, 0.5])
    mesh = body.mesh(pose=pose)
    face = body.faces["helper-upper-teeth"].vertices.unique()
    head = mesh.transforms[0, body.head]
    carried = mesh.rest[0, face] @ head[:, :3].T + head[:, 3]
    assert (carried - mesh.vertices[0, face]).norm(dim=-1).max() < 1e-3
    assert (mesh.rest[0, face] - mesh.vertices[0, face]).norm(dim=-1).max() > 0.02


def test_the_canonical_space_is_the_average_body(body: Body):
    person = body.mesh({"gender": 1.0, "head-scale-vert-incr": 0.5})
    assert body.canonical.shape == person.rest[0].shape
    assert (body.canonical - body.mesh().rest[0]).abs().max() < 1e-6  # a busy processor adds up in another order
    assert (body.canonical - person.rest[0]).abs().max() > 0.01


def test_faces_and_texture_point_at_what_exists(body: Body):
    assert {"body", "helper-l-eye", "helper-r-eye", "helper-tongue", "helper-hair", "helper-tights"} <= set(body.faces)
    for faces in body.faces.values():
        assert faces.vertices.shape == faces.texture.shape
        assert faces.vertices.min() >= 0 and faces.vertices.max() < len(body.canonical)
        assert faces.texture.max() < len(body.texture_coordinates)
    # Outward normals: the skin's signed volume is positive, that of a person (litres).
    a, b, c = body.canonical[body.faces["body"].vertices].unbind(1)
    assert 0.03 < (torch.linalg.cross(a, b) * c).sum() / 6 < 0.15


def test_nearest_rotation_is_the_procrustes_rotation_even_of_a_reflection():
    draw = torch.Generator().manual_seed(0)
    matrices = torch.randn(500, 3, 3, generator=draw, dtype=torch.float64)
    u, _, v = torch.linalg.svd(matrices)
    turn = torch.eye(3, dtype=torch.float64).repeat(500, 1, 1)
    turn[:, 2, 2] = torch.linalg.det(u @ v)
    error = (nearest_rotation(matrices) - u @ turn @ v).abs().amax((1, 2))
    assert error.median() < 1e-9
    assert (error < 1e-3).double().mean() > 0.98  # near-equal singular values leave the turned axis open
