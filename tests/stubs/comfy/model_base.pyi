from typing import Any

ModelType: Any

def __getattr__(name: str) -> Any: ...
