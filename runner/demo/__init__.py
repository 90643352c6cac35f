"""The demo, and the studio's own ComfyUI that it runs on."""

from .demo import DemoTraining, run_demo
from .studio import ROOT, HostInstallation, example_photos, model_paths

__all__ = ["ROOT", "DemoTraining", "HostInstallation", "example_photos", "model_paths", "run_demo"]
