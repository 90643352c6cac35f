from typing import Any

AutoencoderKL: Any
