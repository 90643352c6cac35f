"""Nodes that the tests' own host carries besides the pack: slow ones, failing ones, blocking ones."""

import time

import comfy.model_management
import comfy.utils
import execution
from comfy_api.latest import ComfyExtension, io
from comfy_execution.graph_utils import GraphBuilder

CATEGORY = "Portrait Studio/tests"


class StudioTestSleep(io.ComfyNode):
    """Passes an image on after some time, with steps that can be interrupted, or in one silent piece."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "StudioTestSleep",
            category=CATEGORY,
            inputs=[
                io.Image.Input("image"),
                io.Float.Input("seconds", default=0.5),
                io.Int.Input("steps", default=5),
                io.Int.Input("seed", default=0),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image, seconds, steps, seed):
        if not steps:
            time.sleep(seconds)
        bar = comfy.utils.ProgressBar(max(steps, 1))
        for _ in range(steps):
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(seconds / steps)
            bar.update(1)
        return io.NodeOutput(image)


class StudioTestBlock(io.ComfyNode):
    """Blocks what comes after it, with a message."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "StudioTestBlock", category=CATEGORY, inputs=[io.Image.Input("image")], outputs=[io.Image.Output()]
        )

    @classmethod
    def execute(cls, image):
        return io.NodeOutput(image, block_execution="nothing to do here")


class StudioTestError(RuntimeError):
    """An error of a pack's own, whose module is named after the folder that the pack lies in."""


class StudioTestFail(io.ComfyNode):
    """Fails while it runs."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "StudioTestFail", category=CATEGORY, inputs=[io.Image.Input("image")], outputs=[io.Image.Output()]
        )

    @classmethod
    def execute(cls, image):
        raise StudioTestError("the test node fails\non purpose")


class StudioTestCycle(io.ComfyNode):
    """Expands into two nodes that wait for each other."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "StudioTestCycle",
            category=CATEGORY,
            inputs=[io.Image.Input("image")],
            outputs=[io.Image.Output()],
            enable_expand=True,
        )

    @classmethod
    def execute(cls, image):
        graph = GraphBuilder()
        first = graph.node("ImageInvert", image=image)
        second = graph.node("ImageInvert", image=first.out(0))
        first.set_input("image", second.out(0))
        return io.NodeOutput(second.out(0), expand=graph.finalize())


class StudioTestFinding(io.ComfyNode):
    """Reports as the pack's likeness node does."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "StudioTestFinding",
            category=CATEGORY,
            inputs=[io.Image.Input("image"), io.String.Input("stage"), io.Float.Input("likeness")],
            outputs=[io.Image.Output()],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, image, stage, likeness):
        finding = {"kind": "likeness", "stage": stage, "faces": 1, "likeness": likeness, "warnings": [f"soft {stage}"]}
        return io.NodeOutput(image, ui={"portrait_studio": [finding]})


class StudioTestLate(io.ComfyNode):
    """Passes an image on; the history of a prompt with this node in it is written late, as on a busy machine."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            "StudioTestLate", category=CATEGORY, inputs=[io.Image.Input("image")], outputs=[io.Image.Output()]
        )

    @classmethod
    def execute(cls, image):
        return io.NodeOutput(image)


_task_done = execution.PromptQueue.task_done


def _late_task_done(self, item_id, *args, **kwargs):
    prompt = self.currently_running[item_id][2]
    if any(node["class_type"] == "StudioTestLate" for node in prompt.values()):
        time.sleep(0.4)
    return _task_done(self, item_id, *args, **kwargs)


execution.PromptQueue.task_done = _late_task_done


class StudioTestNodes(ComfyExtension):
    """Lists them."""

    async def get_node_list(self):
        return [StudioTestSleep, StudioTestBlock, StudioTestFail, StudioTestCycle, StudioTestFinding, StudioTestLate]


async def comfy_entrypoint():
    return StudioTestNodes()
