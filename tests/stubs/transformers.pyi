from typing import Any

CLIPTextConfig: Any
CLIPTextModel: Any
