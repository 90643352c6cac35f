"""The command line, `portrait-studio`: a module for each command, and the options and the terminal that they share."""

from .entry import main

__all__ = ["main"]
