from typing import Any

from torch import nn

class AutoencoderKL(nn.Module):
    def __init__(self, *given: Any, **named: Any) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
