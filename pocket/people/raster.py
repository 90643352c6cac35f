"""Batched triangle rasteriser: one kernel, in CUDA C on a GPU and in numba on a CPU.

Every fragment that survives the depth test and the strand test writes depth and triangle as one 64-bit word with an
atomic minimum, so the result does not depend on the order of threads. A vertex may carry a `keep` value: fragments
whose interpolated keep is negative are dropped (smooth edges of cloth). On noisy parts (fuzz) value noise is added
first, which breaks the edge into tufts. On strands keep is alpha, which falls off across the strand: a fragment stays
where alpha is above a hash of pixel and strand, so alpha becomes a share of the samples of a supersampled pixel. In a
shadow map (no perspective) it stays where alpha is above a half.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ...portrait.errors import PortraitError

EMPTY = -1


@lru_cache(maxsize=1)
def _cuda_kernel():
    import cupy  # pyright: ignore[reportMissingImports] - optional, for a graphics card

    source = (Path(__file__).parent / "raster.cu").read_text(encoding="utf-8")
    return cupy.RawKernel(source, "raster", options=("--std=c++17", "--use_fast_math"))


def rasterise(
    points: torch.Tensor,
    keep: torch.Tensor,
    noise: torch.Tensor,
    tris: torch.Tensor,
    height: int,
    width: int,
    perspective: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw triangles [T,3] of a batch of vertices; all float32, one device.

    points [B,V,3]: x, y in pixels (pixel centres at .5), depth (> 0, larger is farther; metric for a perspective view).
    keep [B,V]; noise [V,5]: lattice position of the noise (3), edge coordinate -1..1, amplitude (0: plain part;
    below 0: a strand, whose number stands in the first place).
    Returns depth [B,H,W] float32 (inf: empty) and triangle index [B,H,W] int64 (-1: empty).
    """
    b, v, _ = points.shape
    if points.device.type == "cuda":
        import cupy  # pyright: ignore[reportMissingImports] - optional, for a graphics card

        word = torch.full((b, height, width), -1, dtype=torch.int64, device=points.device)
        points, keep = points.contiguous(), keep.contiguous()
        count = tris.shape[0]
        triangles = tris.to(torch.int32).contiguous()
        with (
            cupy.cuda.Device(points.device.index or 0),
            cupy.cuda.ExternalStream(torch.cuda.current_stream(points.device).cuda_stream),
        ):
            _cuda_kernel()(
                ((count + 127) // 128, b),
                (128,),
                (
                    points.data_ptr(),
                    keep.data_ptr(),
                    noise.data_ptr(),
                    triangles.data_ptr(),
                    word.data_ptr(),
                    np.int32(v),
                    np.int32(count),
                    np.int32(height),
                    np.int32(width),
                    np.int32(perspective),
                ),
            )
        empty = word == -1
        depth = (word >> 32).to(torch.int32).view(torch.float32)
        return depth.masked_fill(empty, torch.inf), (word & 0xFFFFFFFF).masked_fill(empty, EMPTY)
    try:
        from .raster_cpu import raster
    except ModuleNotFoundError as missing:
        raise PortraitError(
            "Rendering people on a CPU needs numba, which is not installed: pip install 'numba>=0.61', or use a GPU."
        ) from missing

    depth = np.full((b, height, width), np.inf, np.float32)
    index = np.full((b, height, width), EMPTY, np.int64)
    raster(
        points.detach().contiguous().numpy(),
        keep.detach().contiguous().numpy(),
        noise.contiguous().numpy(),
        tris.contiguous().numpy(),
        perspective,
        depth,
        index,
    )
    return torch.from_numpy(depth), torch.from_numpy(index)
