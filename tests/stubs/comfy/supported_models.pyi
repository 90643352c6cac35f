from typing import Any

SD15: Any
SDXL: Any

def __getattr__(name: str) -> Any: ...
