from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from portrait_studio.pocket.people import dataset, garments, identity, light, raster
from portrait_studio.pocket.people.camera import Camera

pytest.importorskip("numba", reason="SYNTHETIC PEOPLE NOT TESTED: numba is not installed (pip install numba)")

SIZE = 96
FRONT = Camera("head and shoulders", 0.0, 0.0, 0.0, 1.0, (0.0, 0.0), 16.0)


def front(seed=5, **wish):
    person = identity.identity(
        seed, **({"hair": "short crop", "sex": "man", "glasses": "none", "beard": "none"} | wish)
    )
    rng = np.random.default_rng(seed)
    clothes = garments.outfit(
        rng, False, top="t-shirt", top_colour="red", pattern="plain", outer="none", bottom="jeans"
    )
    lit = light.light(rng, kind="soft light", warmth="neutral", background="plain", background_colour="blue")
    shot = dataset.shot_for(seed, rng, {"head and shoulders": 1.0})
    pose = np.zeros_like(shot.pose)
    return dataclasses.replace(shot, identity=person, outfit=clothes, light=lit, camera=FRONT, pose=pose, expression={})


@pytest.fixture(scope="module")
def renderer(body):
    torch.set_num_threads(2)
    return dataset.renderer("cpu")


@pytest.fixture(scope="module")
def pictures(renderer):
    return renderer.render([front(), front(hair="long straight", sex="woman"), front(hair="bald")], SIZE)


def test_the_person_is_where_the_mask_says(pictures):
    image, mask = pictures.images[0].float(), pictures.mask[0].bool()
    assert 0.2 < mask.float().mean() < 0.8
    backdrop = image[:, ~mask].mean(1)
    assert backdrop[2] > backdrop[0] + 20, "a blue background"
    shirt = image[:, -6:, SIZE // 2 - 12 : SIZE // 2 + 12].flatten(1).mean(1)
    assert shirt[0] > 1.8 * shirt[2], "a red t-shirt at the bottom"


def test_keypoints_lie_on_the_face_and_eyes_inside_its_box(pictures):
    points, box = pictures.keypoints[0], pictures.face_box[0]
    for eye in (14, 15):
        x, y, visible = points[eye].tolist()
        assert visible == 1
        assert box[0] < x < box[2]
        assert box[1] < y < box[3]
    assert points[14, 0] < points[15, 0], "the person's right eye is on the left of the picture"
    assert points[10, 2] == 0, "the ankle is outside the picture"


def test_long_hair_covers_what_a_bald_head_shows(pictures):
    x, y = pictures.keypoints[2, 16, :2].round().long().tolist()
    patch = slice(y - 2, y + 3), slice(x - 2, x + 3)
    bald, long = (pictures.images[k][(slice(None), *patch)].float().mean() for k in (2, 1))
    assert pictures.mask[1].sum() > pictures.mask[2].sum()
    assert bald > long + 15


def test_a_picture_does_not_depend_on_its_batch(renderer, pictures):
    alone = renderer.render([front()], SIZE).images[0].int()
    difference = (alone - pictures.images[0].int()).abs().float()
    assert difference.mean() < 1.5


def test_the_nearer_triangle_wins_and_negative_keep_is_dropped():
    points = torch.tensor([[[0, 0, 2.0], [8, 0, 2.0], [0, 8, 2.0], [0, 0, 1.0], [8, 0, 1.0], [0, 8, 1.0]]])
    tris = torch.tensor([[0, 1, 2], [3, 4, 5]])
    plain = torch.zeros(6, 5)
    keep = torch.ones(1, 6)
    depth, index = raster.rasterise(points, keep, plain, tris, 8, 8, True)
    assert index[0, 1, 1] == 1
    assert depth[0, 1, 1] == pytest.approx(1.0)
    keep[0, 3:] = torch.tensor([-1.0, 1.0, -1.0])
    depth, index = raster.rasterise(points, keep, plain, tris, 8, 8, True)
    assert index[0, 1, 1] == 0, "the near one is cut away here"
    assert index[0, 0, 6] == 1, "and kept where its keep is positive"
    assert index[0, 7, 7] == raster.EMPTY


def test_strand_noise_breaks_an_edge():
    points = torch.tensor([[[0, 0, 1.0], [64, 0, 1.0], [0, 64, 1.0]]])
    noise = torch.tensor([[0, 0, 0, 0, 1.0], [40, 0, 0, 0, 1], [0, 40, 0, 0, 1]])
    _, index = raster.rasterise(points, torch.zeros(1, 3), noise, torch.tensor([[0, 1, 2]]), 64, 64, True)
    inside = index[0, :30, :30] >= 0
    assert 0.2 < inside.float().mean() < 0.8


def test_alpha_of_a_strand_is_the_share_of_samples_that_it_covers():
    points = torch.tensor([[[0, 0, 1.0], [64, 0, 1.0], [0, 64, 1.0]]])
    noise = torch.tensor([[7.0, 0, 0, 0, -1.0]] * 3)
    for alpha in (0.2, 0.7):
        keep = torch.full((1, 3), alpha)
        _, index = raster.rasterise(points, keep, noise, torch.tensor([[0, 1, 2]]), 64, 64, True)
        assert (index[0, :30, :30] >= 0).float().mean() == pytest.approx(alpha, abs=0.06)
    _, index = raster.rasterise(points, keep, noise, torch.tensor([[0, 1, 2]]), 64, 64, False)
    assert (index[0, :30, :30] >= 0).all(), "in a shadow map a strand is there or not"


def test_eyes_look_into_the_camera_together(renderer):
    shot = front()
    mesh = renderer.bodies([shot])
    eye = torch.tensor([[0.15, -1.5, 0.75]])
    bones = mesh.transforms[0, [renderer.body.bones.index(name) for name in ("eye.L", "eye.R")], :, :3]
    left, right = torch.nn.functional.normalize((bones @ renderer._gaze(mesh, eye)[0][..., None])[..., 0], dim=-1)
    apart = torch.rad2deg(torch.acos((left * right).sum().clamp(-1, 1)))
    assert 0.5 < apart < 8
    assert 0.04 < left[0] < right[0] < 0.2, "both turn to the camera's side, and converge"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_and_cpu_draw_the_same_triangles(renderer):
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(2, 300, 3, generator=generator) * torch.tensor([64.0, 64.0, 1.0]) + torch.tensor([0, 0, 1.0])
    tris = torch.randint(0, 300, (200, 3), generator=generator)
    keep, noise = torch.rand(2, 300, generator=generator) - 0.3, torch.zeros(300, 5)
    noise[150:, 0], noise[150:, 4] = torch.arange(150), -1.0
    _, here = raster.rasterise(points, keep, noise, tris, 64, 64, True)
    _, there = raster.rasterise(points.cuda(), keep.cuda(), noise.cuda(), tris.cuda(), 64, 64, True)
    assert (here == there.cpu()).float().mean() > 0.999
