"""Where the studio keeps what it sets up on this machine: its ComfyUI, its models, sd-scripts."""

from __future__ import annotations

from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[1]


def studio(root: Path = ROOT) -> Path:
    """Return `.studio` of a checkout, or the user's own data folder where the package was installed with pip.

    `root` is the package's folder. What pip installs belongs to pip: nothing of ours is put beside it.
    """
    return (
        root / ".studio" if (root / "install.py").is_file() else platformdirs.user_data_path("portrait-studio", False)
    )
