from typing import Any

UNet2DConditionModel: Any
