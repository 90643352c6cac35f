"""What graphs need on a host's disk: model files and node packs, found, checked and fetched."""

from .download import Download, DownloadError, fetch
from .folders import ModelFolders, read_folders
from .models import DIFFERENT, MISSING, PRESENT, ModelState, licence_words, size_words, state_of, target_of
from .packs import InstalledPack, PackError, Pin, install_pack, installed_packs, names_of, pin_of, pins
from .requirements import RequiredModel, RequiredPack, required_models, required_packs
from .versions import same_version, version_of, within
from .web import Allowed

__all__ = [
    "DIFFERENT",
    "MISSING",
    "PRESENT",
    "Allowed",
    "Download",
    "DownloadError",
    "InstalledPack",
    "ModelFolders",
    "ModelState",
    "PackError",
    "Pin",
    "RequiredModel",
    "RequiredPack",
    "fetch",
    "install_pack",
    "installed_packs",
    "licence_words",
    "names_of",
    "pin_of",
    "pins",
    "read_folders",
    "required_models",
    "required_packs",
    "same_version",
    "size_words",
    "state_of",
    "target_of",
    "version_of",
    "within",
]
