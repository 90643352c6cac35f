from typing import Any

ComfyExtension: Any
io: Any
ui: Any
