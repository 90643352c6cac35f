from typing import Any

class LoRAAdapter:
    weights: Any
