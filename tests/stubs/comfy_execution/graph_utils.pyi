from typing import Any

class ExecutionBlocker:
    message: str | None
    def __init__(self, message: str | None) -> None: ...

GraphBuilder: Any
