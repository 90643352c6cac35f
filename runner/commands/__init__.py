"""The command line, `portrait-studio`: a module for each command, and the options and the terminal that they share."""

from .app import main

__all__ = ["main"]
