from typing import Any

disable_weight_init: Any

def __getattr__(name: str) -> Any: ...
