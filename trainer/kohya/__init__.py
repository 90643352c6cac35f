"""The same training through kohya's sd-scripts, as a process in an environment of its own."""
