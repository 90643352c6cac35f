"""What the studio says when it cannot go on."""


class PortraitError(Exception):
    """A failure that a person can act on.

    The message is one sentence that says what is wrong, where, and what to do. Nodes let it rise (ComfyUI shows it on
    the node), the command line prints it alone and exits with `exit_code`. `key` is the error's name in JSON; the keys
    are listed in runner/client/errors.json.
    """

    # ComfyUI shows an error's module, which for a pack begins with the folder that it is installed in.
    __module__ = "portrait_studio"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__module__ = PortraitError.__module__

    key = "failed"
    exit_code = 1
