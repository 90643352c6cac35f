"""A restoration network from a file, as one call: a face in, a face out."""

from __future__ import annotations

import functools
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .networks import RestorationNetwork, RestoreError, known, look_at, not_a_restorer, recognised, without_prefix

_NOISE = 0  # GFPGAN's decoder adds noise: the same for every face, so that a picture can be made again


@dataclass(frozen=True, eq=False)
class Restorer:
    """A loaded network, and what spandrel made of its file."""

    network: RestorationNetwork
    file: str
    descriptor: Any

    def __call__(self, face: torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
        """Return the restored face `[side, side, 3]` of a crop `[side, side, 3]`, sRGB, 0..1, on the crop's device.

        The same crop gives the same face. The network is on `device` while it works, and on the processor otherwise.
        Raises RestoreError when the network fails, or answers anything but a picture of that size.
        """
        device = torch.device(device)
        cards = [device] if device.type == "cuda" else []
        try:
            self.descriptor.to(device)
            pixels = face.permute(2, 0, 1)[None].to(device, torch.float32)
            with torch.no_grad(), torch.random.fork_rng(cards):
                torch.manual_seed(_NOISE)
                answer = self._asked(pixels)
        except RuntimeError as error:
            raise RestoreError(
                f"{self.file} failed on a face ({_short(error)}); use another network, or free memory."
            ) from None
        finally:
            self.descriptor.to("cpu")
        if answer.shape != pixels.shape or not bool(answer.isfinite().all()):
            raise RestoreError(f"{self.file} answers no picture to a face; its weights are damaged: download it again.")
        return answer[0].permute(1, 2, 0).clamp(0, 1).to(face)

    def _asked(self, pixels: torch.Tensor) -> torch.Tensor:
        if not self.network.signed:
            return self.descriptor(pixels).clone()  # out of inference mode
        return self.descriptor.model(pixels * 2 - 1)[0] / 2 + 0.5


def load(path: Path) -> Restorer:
    """Return the network of a file, the same as long as the file is; the last one stays in memory.

    Raises RestoreError, in one sentence, when the file is no whole .safetensors, no face restoration network, or needs
    a package that is not there.
    """
    try:
        return _loaded(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise RestoreError(f"{path.name} cannot be read ({error.strerror}); put the file there again.") from None


@functools.lru_cache(maxsize=1)
def _loaded(path: Path, _: int) -> Restorer:
    names = look_at(path).shapes
    loader = _spandrel()
    found = recognised(names)
    if found is not None and found.extra and found.name not in loader.registry:
        raise RestoreError(
            f"{path.name} is {found.name}, which needs the package {found.extra}; install it in ComfyUI's environment."
        )
    skip = without_prefix(names) if found is not None else 0
    tensors = {name[skip:]: tensor for name, tensor in _tensors(path).items()}
    from spandrel import UnsupportedModelError

    try:
        descriptor = loader.load_from_state_dict(tensors)
    except UnsupportedModelError:
        raise not_a_restorer(path) from None
    except Exception as error:  # what an architecture stumbles over, when the tensors have its names and other shapes
        if found is None:
            raise not_a_restorer(path) from None
        raise RestoreError(
            f"{path.name} has the names of {found.name} and does not fit it ({_short(error)}); download it again."
        ) from None
    name = descriptor.architecture.id
    if getattr(descriptor, "purpose", "") != "FaceSR" or descriptor.scale != 1 or descriptor.input_channels != 3:
        raise not_a_restorer(path, f", but {name} for other pictures")
    return Restorer(known().get(name, RestorationNetwork(name)), path.name, descriptor.eval())


def _spandrel() -> Any:
    try:
        import spandrel
    except ImportError:
        raise RestoreError("Restoring faces needs spandrel, which comes with ComfyUI; update ComfyUI.") from None
    with suppress(ImportError):
        import spandrel_extra_arches  # pyright: ignore[reportMissingImports]: an extra that is rarely there

        spandrel_extra_arches.install(ignore_duplicates=True)
    return spandrel.ModelLoader()


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise RestoreError(f"{path.name} cannot be read ({_short(error)}); download it again.") from None


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]
