from typing import Any

class ModelType:
    EDM: ModelType
    EPS: ModelType
    V_PREDICTION: ModelType

def __getattr__(name: str) -> Any: ...
