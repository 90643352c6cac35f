from typing import Any

CodeFormer: Any
