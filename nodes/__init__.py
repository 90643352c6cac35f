"""What the artist sees: one file per stage, each node a schema plus a few lines that call portrait/."""

import logging

from .api import ComfyExtension, io
from .loading import missing, other_copy


class PortraitStudioExtension(ComfyExtension):
    """Lists the pack's nodes for ComfyUI."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return every node class, none when another copy of the pack has given its own.

        Raises ImportError with one sentence for a pack that is not whole, or whose requirements are not there.
        """
        if twice := other_copy():
            logging.warning(twice)
            return []
        try:
            return _nodes()
        except ImportError as error:
            raise ImportError(missing(error)) from None


def _nodes() -> list[type[io.ComfyNode]]:
    """Import every node; not before this, so that the command line never loads ComfyUI."""
    from ..portrait.identity import INSIGHTFACE_HOMES
    from ..portrait.likeness import recognisers
    from .face_parts import PortraitFaceParts, PortraitFacePose
    from .faces import PortraitFaceCrop, PortraitFaceDetector, PortraitFacePaste
    from .family import PortraitModelFamily
    from .folders import models_folder, own_folder
    from .guard import PortraitIdentityGuard
    from .identity import PortraitIdentityScore
    from .kits import PortraitKit, PortraitOpenKit
    from .origins import PortraitModelHashes
    from .parcels import PortraitHandOverSubject, PortraitTakeInSubject
    from .photos import PortraitLoadPhotos, PortraitPhotoReport
    from .pocket import PortraitPocketModels
    from .poses import PortraitPosePreset
    from .prompting import PortraitPrompt
    from .restore import PortraitRestoreFace
    from .retouch import PortraitRetouch
    from .subjects import PortraitLoadSubject
    from .tones import PortraitToneFilter
    from .training import PortraitTrainLoRA

    INSIGHTFACE_HOMES[:] = [models_folder("insightface")]
    recognisers.HOMES[:] = [own_folder("recognisers")]
    return [
        PortraitLoadPhotos,
        PortraitPhotoReport,
        PortraitFaceCrop,
        PortraitFacePaste,
        PortraitFaceDetector,
        PortraitFaceParts,
        PortraitFacePose,
        PortraitRetouch,
        PortraitRestoreFace,
        PortraitIdentityScore,
        PortraitIdentityGuard,
        PortraitLoadSubject,
        PortraitTrainLoRA,
        PortraitPosePreset,
        PortraitToneFilter,
        PortraitPocketModels,
        PortraitModelHashes,
        PortraitHandOverSubject,
        PortraitTakeInSubject,
        PortraitModelFamily,
        PortraitPrompt,
        PortraitKit,
        PortraitOpenKit,
    ]
