"""What the artist sees: one file a stage, each node a schema plus a few lines that call portrait/."""

from .api import ComfyExtension, io


class PortraitStudioExtension(ComfyExtension):
    """Lists the pack's nodes for ComfyUI."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return every node class; the imports stay here so that the command line never loads ComfyUI."""
        from ..portrait.identity import INSIGHTFACE_HOMES
        from .face_parts import PortraitFaceParts, PortraitFacePose
        from .faces import PortraitFaceCrop, PortraitFaceDetector, PortraitFacePaste
        from .folders import models_folder
        from .identity import PortraitIdentityScore
        from .photos import PortraitLoadPhotos, PortraitPhotoReport
        from .pocket import PortraitPocketModels
        from .poses import PortraitPosePreset
        from .subjects import PortraitLoadSubject
        from .tones import PortraitToneFilter
        from .training import PortraitTrainLoRA

        INSIGHTFACE_HOMES[:] = [models_folder("insightface")]
        return [
            PortraitLoadPhotos,
            PortraitPhotoReport,
            PortraitFaceCrop,
            PortraitFacePaste,
            PortraitFaceDetector,
            PortraitFaceParts,
            PortraitFacePose,
            PortraitIdentityScore,
            PortraitLoadSubject,
            PortraitTrainLoRA,
            PortraitPosePreset,
            PortraitToneFilter,
            PortraitPocketModels,
        ]
