"""What the studio says when it cannot go on."""


def _show_as_the_pack(error: type) -> None:
    """Give an error class the name that a person may read.

    ComfyUI puts module and class before the sentence, and the module of a pack begins with the folder that it is
    installed in; of a class of "builtins" it shows the qualified name alone.
    """
    error.__module__, error.__qualname__ = "builtins", "Portrait Studio"


class PortraitError(Exception):
    """A failure that a person can act on.

    The message is one sentence that says what is wrong, where, and what to do. Nodes let it rise (ComfyUI shows it on
    the node), the command line prints it alone and exits with `exit_code`. `key` is the error's name in JSON; the keys
    are listed in runner/client/errors.json.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _show_as_the_pack(cls)

    key = "failed"
    exit_code = 1


_show_as_the_pack(PortraitError)
