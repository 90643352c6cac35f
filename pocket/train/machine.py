"""Any number of GPUs as one: ranks, averaged gradients, and states that survive an interruption."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from ...portrait import disk

Network = TypeVar("Network", bound=nn.Module)

# Many tensors in one launch; torch has no public names for these.
_copy_all = torch._foreach_copy_  # pyright: ignore[reportPrivateImportUsage]
_mix_all = torch._foreach_lerp_  # pyright: ignore[reportPrivateImportUsage]


def setup() -> torch.device:
    """Join the ranks that torchrun started (or be the only one) and return this rank's device."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl", device_id=torch.device("cuda", torch.cuda.current_device()))
    return torch.device("cuda", torch.cuda.current_device())


def rank() -> int:
    """Return this process's number, 0 for the one that writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def ranks() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def meet() -> None:
    """Wait for all ranks."""
    if dist.is_initialized():
        dist.barrier()


def average(tensors: list[torch.Tensor]) -> None:
    """Replace tensors of all ranks by their mean, in place."""
    if not dist.is_initialized():
        return
    flat = _flatten_dense_tensors(tensors)
    dist.all_reduce(flat)
    flat /= ranks()
    _copy_all(tensors, list(_unflatten_dense_tensors(flat, tensors)))


def _first(value: float, device: torch.device) -> float:
    """Return rank 0's value on every rank."""
    if ranks() == 1:
        return value
    held = torch.tensor([value], device=device, dtype=torch.float64)
    dist.broadcast(held, 0)
    return held.item()


def shared(words: list[str]) -> list[str]:
    """Return rank 0's words on every rank."""
    box = [words]
    if dist.is_initialized():
        dist.broadcast_object_list(box, 0)
    return box[0]


def say(*words: object) -> None:
    """Print with the time, once."""
    if rank() == 0:
        print(time.strftime("%H:%M:%S"), *words, flush=True)


def autocast(device: torch.device) -> torch.autocast:
    """Return bf16 autocasting on a GPU, none on a CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


CLOCK = 10
"""How many steps go by between looks at the clock."""


class TimedTraining:
    """A network in training: AdamW, warm-up, a late decay to zero, a moving average, and a state file.

    The schedule runs on seconds of training, not on steps, so a phase ends when its time is up whatever the machine;
    `until` ends this call earlier.
    Rank 0 writes the file beside the old one and renames it. A new TimedTraining on the same file resumes there.
    """

    def __init__(
        self,
        network: nn.Module,
        path: Path,
        seconds: float,
        *,
        rate: float,
        until: float = float("inf"),
        decay_from: float = 0.6,
        average_over: float = 1000.0,
        weight_decay: float = 0.01,
    ):
        self.network, self.path, self.seconds = network, path, seconds
        self.until = min(until, seconds)
        self.rate, self.decay_from, self.average_over = rate, decay_from, average_over
        self.names = [name for name, p in network.named_parameters() if p.requires_grad]
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        device = self.parameters[0].device
        self.optimiser = torch.optim.AdamW(
            self.parameters, rate, betas=(0.9, 0.99), weight_decay=weight_decay, fused=device.type == "cuda"
        )
        self.step, self.trained = 0, 0.0
        self.exact: list[torch.Tensor] = []
        self.mean = [p.detach().clone() for p in self.parameters]
        if path.exists():
            self._load(device)
        if dist.is_initialized():
            for p in (*self.parameters, *self.mean):
                dist.broadcast(p.data, 0)
        torch.manual_seed(self.step * 1000 + rank())
        for p, m in zip(self.parameters, self.mean, strict=True):
            if p.dim() == 4 and device.type == "cuda":
                p.data = p.data.contiguous(memory_format=torch.channels_last)
                m.data = m.data.contiguous(memory_format=torch.channels_last)

    def steps(self, save_every: float = 90.0) -> Iterator[int]:
        """Yield step numbers until the time is up; the caller sets gradients, `update` uses them."""
        for p, state in self.optimiser.state.items():  # fused AdamW wants moments laid out as the weights are by now
            for key in ("exp_avg", "exp_avg_sq"):
                state[key] = torch.empty_like(p).copy_(state[key])
        begin, before, saved = time.monotonic(), self.trained, time.monotonic()
        while True:
            # The schedule must be the same on all ranks, or their weights would part: the clock is rank 0's.
            if self.step % CLOCK == 0 or ranks() == 1:
                self.trained = _first(before + time.monotonic() - begin, self.parameters[0].device)
                if self.trained >= self.until:
                    break
                if time.monotonic() - saved > save_every:
                    self.save()
                    saved = time.monotonic()
            yield self.step
        self.save()
        meet()

    def quantised(self, bits: int, group: int) -> None:
        """Put the stored precision's weights into the network until `update` puts the exact ones back.

        The gradient is then the one at the weights that will be shipped (straight-through estimation, Bengio 2013).
        """
        self.exact = [p.detach().clone() for p in self.parameters]
        for p in self.parameters:
            if p.dim() > 1:
                p.data.copy_(rounded(p.data, bits, group))

    def update(self, loss: torch.Tensor) -> None:
        """Go one step down the loss."""
        done = min(1.0, self.trained / self.seconds)
        warm = min(1.0, (self.step + 1) / 200)
        decay = 1.0 if done < self.decay_from else (1 - done) / (1 - self.decay_from)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * warm * max(0.01, decay)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        average(gradients)
        if self.exact:
            _copy_all([p.data for p in self.parameters], self.exact)
            self.exact = []
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.step += 1
        keep = min(1 - 1 / self.average_over, self.step / (self.step + 10))
        _mix_all(self.mean, [p.detach() for p in self.parameters], 1 - keep)

    def averaged(self) -> dict[str, torch.Tensor]:
        """Return the moving average of the weights by name, float32 on the CPU."""
        return {
            name: mean.detach().float().cpu().contiguous() for name, mean in zip(self.names, self.mean, strict=True)
        }

    def use_average(self) -> None:
        """Put the moving average into the network."""
        _copy_all([p.data for p in self.parameters], self.mean)

    def save(self) -> None:
        """Write the state (rank 0)."""
        if rank():
            return
        tensors = {}
        for i, name in enumerate(self.names):
            tensors["weight." + name] = self.parameters[i].data
            tensors["mean." + name] = self.mean[i]
            for key in ("exp_avg", "exp_avg_sq"):
                if key in (state := self.optimiser.state.get(self.parameters[i], {})):
                    tensors[f"{key}.{name}"] = state[key]
        info = {"step": self.step, "trained": self.trained}
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with disk.writing(self.path) as beside:
            save_file(kept, beside, {"run": json.dumps(info)})

    def _load(self, device: torch.device) -> None:
        with safe_open(self.path, "pt", device=str(device)) as file:
            info = json.loads(file.metadata()["run"])
            self.step, self.trained = info["step"], info["trained"]
            have = set(file.keys())
            for i, name in enumerate(self.names):
                self.parameters[i].data.copy_(file.get_tensor("weight." + name))
                self.mean[i].copy_(file.get_tensor("mean." + name))
                if "exp_avg." + name in have:
                    self.optimiser.state[self.parameters[i]] = {
                        "step": torch.tensor(float(self.step), device=device),
                        "exp_avg": file.get_tensor("exp_avg." + name),
                        "exp_avg_sq": file.get_tensor("exp_avg_sq." + name),
                    }


def rounded(values: torch.Tensor, bits: int, group: int) -> torch.Tensor:
    """Return a tensor in steps of `bits` bits for every group of consecutive values, as packing.quantise stores it."""
    flat = values.contiguous().reshape(-1)
    if len(flat) % group:
        return values
    flat = flat.reshape(-1, group)
    top = 2 ** (bits - 1)
    step = flat.abs().amax(1, keepdim=True).clamp_min(1e-8) * (0.95 / top)
    return ((flat / step).round().clamp(-top, top - 1) * step).reshape(values.shape)


def load_mean(network: Network, path: Path) -> Network:
    """Fill a network with the moving average that a TimedTraining saved at `path`."""
    with safe_open(path, "pt") as file:
        names = [key.removeprefix("mean.") for key in file.keys() if key.startswith("mean.")]  # noqa: SIM118
        network.load_state_dict({name: file.get_tensor("mean." + name) for name in names}, strict=False)
    return network
