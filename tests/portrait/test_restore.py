"""Faces go through a real restoration network as it was trained to see them, and come back softly; no more moves."""

from __future__ import annotations

import importlib.util
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save

from portrait_studio.portrait import faces, kept
from portrait_studio.portrait.face import Face
from portrait_studio.portrait.restore.loading import Restorer, load
from portrait_studio.portrait.restore.networks import RestoreError, known, look_at, recognised
from portrait_studio.portrait.restore.restoring import TEMPLATE, FaceRestored, Restored, doubts, restore
from portrait_studio.portrait.tensors import to_uint8

from .restorers import gfpgan, restore_former, upscaler
from .scenes import astronaut, group, image, nobody, turned


@pytest.fixture(scope="module")
def restorer(tmp_path_factory) -> Restorer:
    file = tmp_path_factory.mktemp("restorers") / "former.safetensors"
    file.write_bytes(restore_former())
    return load(file)


@pytest.fixture(scope="module")
def found() -> list[Face]:
    return faces.detect(astronaut())


def looks(restorer: Restorer, pictures: torch.Tensor, found: list[list[Face]]) -> tuple[Restored, list[torch.Tensor]]:
    """Restored pictures, and what the network was given and answered on the way."""
    seen: list[torch.Tensor] = []
    hook = restorer.descriptor.model.register_forward_hook(
        lambda module, given, answer: seen.extend((given[0], answer[0]))
    )
    try:
        return restore(pictures, found, restorer), seen
    finally:
        hook.remove()


@pytest.fixture(scope="module")
def looked(restorer, found) -> tuple[Restored, list[torch.Tensor]]:
    return looks(restorer, image(astronaut()), [found])


@pytest.fixture(scope="module")
def done(looked) -> Restored:
    return looked[0]


def lies_as_in_ffhq(given: torch.Tensor) -> bool:
    (face, *_) = faces.detect(to_uint8(given[0].permute(1, 2, 0) / 2 + 0.5))
    away = np.linalg.norm(np.array(face.landmarks) - TEMPLATE, axis=1)
    return away.max() < 20  # a person's own proportions; the crop of a head would be off by a hundred


def test_the_network_sees_a_face_where_ffhq_has_its_own(restorer, looked):
    given = looked[1][0]
    assert given.shape == (1, 3, 512, 512)
    assert given.min() < -0.5
    assert given.max() > 0.5
    assert lies_as_in_ffhq(given)
    leaning = turned(astronaut(), 25)
    assert lies_as_in_ffhq(looks(restorer, image(leaning), [faces.detect(leaning)[:1]])[1][0])


def test_what_the_network_answers_is_what_is_seen_in_the_middle_of_the_face(looked, found):
    done, (_, answer) = looked
    x, y = (round(each) for each in found[0].landmarks[2])
    shown = done.images[0, y - 8 : y + 8, x - 8 : x + 8].mean((0, 1))
    wanted = (answer[0, :, 264:364, 206:306] / 2 + 0.5).clamp(0, 1).mean((1, 2))
    assert torch.allclose(shown, wanted, atol=0.04)
    assert not torch.allclose(image(astronaut())[0, y - 8 : y + 8, x - 8 : x + 8].mean((0, 1)), wanted, atol=0.04)


def test_outside_the_soft_ellipse_every_pixel_keeps_its_bits(done, found):
    before, mask = image(astronaut()), done.mask
    assert torch.equal(done.images[mask == 0], before[mask == 0])
    assert 0.5 < float((mask > 0).sum()) / found[0].area < 3
    assert len(mask[(mask > 0.02) & (mask < 0.98)]) > 0.1 * len(mask[mask > 0])
    assert float(mask.max()) == pytest.approx(1, abs=1e-3)


def test_no_blend_is_the_very_same_picture_and_half_of_it_is_half_the_way(restorer, found, done):
    before = image(astronaut())
    assert restore(before, [found], restorer, blend=0).images is before
    half = restore(before, [found], restorer, blend=0.5)
    assert torch.allclose(half.images, (before + done.images) / 2, atol=3e-3)
    assert torch.allclose(half.mask, done.mask / 2, atol=3e-3)


def test_several_faces_are_restored_each_and_a_picture_without_one_passes(restorer):
    crowd = group(1, 3)
    empty = np.zeros_like(crowd)
    batch = torch.cat([image(crowd), image(empty)])
    own = faces.detect(crowd)
    done = restore(batch, [own, []], restorer)
    assert len(own) == len(done.faces) == 3
    assert {one.frame for one in done.faces} == {0}
    for face in own:
        x, y = (round(each) for each in face.centre)
        assert float(done.mask[0, y, x]) > 0.9
    assert torch.equal(done.images[1], batch[1])
    before = image(nobody())
    assert restore(before, [[]], restorer).images is before


def test_alpha_and_the_type_of_a_picture_are_kept(restorer, found):
    alpha = torch.cat([image(astronaut()), torch.full((1, 512, 512, 1), 0.3)], -1).half()
    done = restore(alpha, [found], restorer)
    assert torch.equal(done.images[..., 3], alpha[..., 3])
    assert done.images.dtype == torch.float16
    assert not torch.equal(done.images, alpha)


def test_a_face_at_the_border_is_restored_too(restorer, found):
    x, y = (round(each) for each in found[0].centre)
    cut = np.ascontiguousarray(astronaut()[y - 60 : y + 200, x - 30 :])
    face = Face((0.0, 10.0, 70.0, 100.0), tuple((a - x + 30, b - y + 60) for a, b in found[0].landmarks), 0.9)
    done = restore(image(cut), [[face]], restorer)
    assert bool(done.images.isfinite().all())
    assert not torch.equal(done.images, image(cut))


def test_a_face_larger_than_the_network_and_a_loss_of_likeness_are_told(found):
    network = known()["GFPGAN"]
    small, large = (Restored(torch.zeros(0), torch.zeros(0), (FaceRestored(0, found[0], side),)) for side in (600, 700))
    assert doubts(small, network, kept.LikenessKept((0.9,), 0.8, 0.76)) == []
    (said,) = doubts(large, network, kept.LikenessKept((0.9,), 0.8, 0.8))
    assert said.startswith("A face is cut at 700 px and the network works at 512")
    (said,) = doubts(small, network, kept.LikenessKept((0.9,), 0.8, 0.7))
    assert said.startswith("The person is less alike after it (0.800 to 0.700)")


def test_likeness_before_and_after_is_measured(done):
    report = kept.measured(image(astronaut()), done.images, done.faces)
    assert len(report.kept) == 1
    assert -1 <= report.kept[0] < 0.9  # random weights paint no face
    assert report.words == f", likeness to before {report.kept[0]:.3f}"


def test_gfpgan_in_its_only_size_with_its_publishers_prefix_is_restored_with_and_is_the_same_twice(tmp_path):
    restorer = load(gfpgan(tmp_path / "GFPGANv1.4.safetensors"))
    assert restorer.network is known()["GFPGAN"]
    assert restorer.network.commercial == "in part"
    assert "Nvidia Source Code License-NC" in restorer.network.sentence
    face = torch.rand(512, 512, 3)
    torch.manual_seed(5)
    wanted = torch.rand(4)
    torch.manual_seed(5)
    once = restorer(face)
    assert torch.equal(torch.rand(4), wanted)  # the noise of others goes on as it would have
    assert torch.equal(once, restorer(face))
    assert once.shape == face.shape


def test_codeformer_says_what_it_needs_where_its_package_is_missing(tmp_path):
    names = {name: torch.zeros(1) for name in known()["CodeFormer"].marks}
    (tmp_path / "cf.safetensors").write_bytes(save(names))
    there = importlib.util.find_spec("spandrel_extra_arches") is not None
    words = "does not fit it" if there else "which needs the package spandrel_extra_arches"
    with pytest.raises(RestoreError, match=words):
        load(tmp_path / "cf.safetensors")


def test_codeformer_restores_where_its_package_is_there(tmp_path):
    extra = pytest.importorskip("spandrel_extra_arches")
    extra.install(ignore_duplicates=True)
    from spandrel_extra_arches.architectures.CodeFormer import CodeFormer

    torch.manual_seed(3)
    small = CodeFormer(dim_embd=64, n_layers=1, codebook_size=32)
    (tmp_path / "cf.safetensors").write_bytes(save(small.state_dict()))
    restorer = load(tmp_path / "cf.safetensors")
    assert restorer.network is known()["CodeFormer"]
    assert restorer.network.sentence.startswith("CodeFormer is for non-commercial use (licence: S-Lab License 1.0")
    assert restorer(torch.rand(512, 512, 3)).shape == (512, 512, 3)


LORA = save({"lora_unet_x.lora_up.weight": torch.zeros(4, 2), "lora_unet_x.lora_down.weight": torch.zeros(2, 4)})


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("lora.safetensors", lambda: LORA, "lora.safetensors is no face restoration network; use one of"),
        ("x2.safetensors", upscaler, "is no face restoration network, but ESRGAN for other pictures; use one of"),
        ("GFPGANv1.4.safetensors", lambda: pickle.dumps({"a": 1}), "is a .pth by another name and was not read"),
        ("zip.safetensors", lambda: b"PK\x03\x04" + bytes(90), "is a .pth by another name and was not read"),
        ("old.pth", restore_former, "old.pth is not a .safetensors file and was not read, since others can hold code"),
        ("cut.safetensors", lambda: restore_former()[:90_000], "is not a whole .safetensors file (it is cut short"),
        ("empty.safetensors", lambda: b"", "is not a whole .safetensors file (its header has an impossible length)"),
        ("none.safetensors", lambda: save({}), "none.safetensors is no face restoration network; use one of"),
    ],
)
def test_a_file_that_is_no_restorer_is_refused_in_one_sentence(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content())
    with pytest.raises(RestoreError) as error:
        load(tmp_path / name)
    assert words in str(error.value)
    assert str(tmp_path) not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_header_whose_length_reads_like_a_pickle_is_none(tmp_path):
    header = b'{"__metadata__":{"a":"%s"}}'
    (tmp_path / "a.safetensors").write_bytes((640).to_bytes(8, "little") + header % (b"x" * (640 - len(header) + 2)))
    assert (tmp_path / "a.safetensors").read_bytes()[:2] == b"\x80\x02"
    assert look_at(tmp_path / "a.safetensors").shapes == {}


def test_no_pickle_is_ever_opened_as_one(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "opened").touch, ()

    for name in ("bomb.safetensors", "bomb.pth"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(RestoreError):
            load(tmp_path / name)
    assert not (tmp_path / "opened").exists()


def test_a_file_that_is_gone_a_wrong_shape_and_numbers_that_are_none_are_told(tmp_path, found):
    with pytest.raises(RestoreError, match="cannot be read"):
        load(tmp_path / "gone.safetensors")
    from safetensors.torch import load as read

    tensors = read(restore_former())
    wrong = {**tensors, "decoder.conv_out.weight": torch.zeros(3, 7, 3, 3)}
    (tmp_path / "wrong.safetensors").write_bytes(save(wrong))
    with pytest.raises(RestoreError, match="has the names of RestoreFormer and does not fit it"):
        load(tmp_path / "wrong.safetensors")
    broken = {**tensors, "decoder.conv_out.bias": torch.full((3,), float("nan"))}
    (tmp_path / "nan.safetensors").write_bytes(save(broken))
    with pytest.raises(RestoreError, match="answers no picture to a face; its weights are damaged"):
        restore(image(astronaut()), [found], load(tmp_path / "nan.safetensors"))


def test_another_file_by_the_same_name_is_loaded_again(tmp_path):
    file = tmp_path / "one.safetensors"
    file.write_bytes(restore_former())
    first = load(file)
    assert load(file) is first
    file.write_bytes(LORA)
    with pytest.raises(RestoreError, match="is no face restoration network"):
        load(file)


@pytest.mark.parametrize("blend", [-0.1, 1.1, float("nan")])
def test_a_blend_that_is_none_is_refused(restorer, found, blend):
    with pytest.raises(RestoreError, match="it must be from 0 to 1"):
        restore(image(astronaut()), [found], restorer, blend)


def test_pictures_and_faces_of_another_number_are_refused(restorer, found):
    with pytest.raises(RestoreError, match="2 pictures came with the faces of 1"):
        restore(torch.cat([image(astronaut())] * 2), [found], restorer)


def test_networks_are_told_apart_by_the_names_of_their_tensors(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(restore_former())
    assert recognised(look_at(tmp_path / "a.safetensors").shapes) is known()["RestoreFormer"]
    (tmp_path / "b.safetensors").write_bytes(upscaler())
    assert recognised(look_at(tmp_path / "b.safetensors").shapes) is None
    assert recognised([f"params_ema.{name}" for name in known()["GFPGAN"].marks]) is known()["GFPGAN"]
    assert recognised([*known()["CodeFormer"].marks, "encoder.conv_in"]) is known()["CodeFormer"]
