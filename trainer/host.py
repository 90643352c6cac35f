"""The parts of ComfyUI that this pack uses beyond the node API: the only module that imports `comfy`.

None of them is promised to stay, so each line says what for, and tests/host_parts.py checks every name and every way
it is called against the ComfyUI that the tests run on. What is read off a MODEL and a CLIP stands in copies.py.
"""

from comfy.clip_model import CLIPLayer  # sums in place, which gradients do not survive; its forward is replaced
from comfy.k_diffusion.sampling import get_sigmas_karras, sample_dpmpp_2m  # samples look as KSampler's
from comfy.ldm.modules.attention import (
    GEGLU,  # the gate of a feed-forward layer, done in one pass on a card
    BasicTransformerBlock,  # the block, whose sums and normalisations are one pass each on a card
    CrossAttention,  # whose queries, keys and values are one product on a card
    SpatialTransformer,  # a LoRA changes the layers inside
)
from comfy.ldm.modules.diffusionmodules.openaimodel import (
    Downsample,  # a LoRA with convolutions changes these three too
    ResBlock,
    UNetModel,  # the copy that is trained is one of these
    Upsample,
)
from comfy.lora import calculate_weight  # bakes the LoRAs that a MODEL or CLIP carries into the copy
from comfy.model_base import ModelType  # what a checkpoint predicts: noise, velocity, or what cannot be trained
from comfy.model_management import (
    InterruptProcessingException,  # what the stop button raises
    get_torch_device,  # where to train
    should_use_bf16,  # in which precision
    soft_empty_cache,  # gives memory back after training
    throw_exception_if_processing_interrupted,  # hears the stop button
    unload_all_models,  # gives the card's memory to the training
)
from comfy.ops import disable_weight_init  # layers without random weights, since the checkpoint's replace them
from comfy.sd import load_lora_for_models  # applies a subject as LoraLoader does
from comfy.supported_models import SD15, SDXL  # the kinds of checkpoint that graphs are for and that can be trained
from comfy.utils import (
    ProgressBar,  # progress on the node
    get_attr,  # a layer by its name
    load_torch_file,  # a LoRA's file
    unet_to_diffusers,  # kohya's names of SD1.5 layers are diffusers'
)
from comfy.weight_adapter.lora import LoRAAdapter  # says whether a subject's LoRA fits the layers
from comfy_execution.graph_utils import ExecutionBlocker  # stops a graph that has no photo to go on with

__all__ = [
    "GEGLU",
    "SD15",
    "SDXL",
    "BasicTransformerBlock",
    "CLIPLayer",
    "CrossAttention",
    "Downsample",
    "ExecutionBlocker",
    "InterruptProcessingException",
    "LoRAAdapter",
    "ModelType",
    "ProgressBar",
    "ResBlock",
    "SpatialTransformer",
    "UNetModel",
    "Upsample",
    "calculate_weight",
    "disable_weight_init",
    "get_attr",
    "get_sigmas_karras",
    "get_torch_device",
    "load_lora_for_models",
    "load_torch_file",
    "sample_dpmpp_2m",
    "should_use_bf16",
    "soft_empty_cache",
    "throw_exception_if_processing_interrupted",
    "unet_to_diffusers",
    "unload_all_models",
]
