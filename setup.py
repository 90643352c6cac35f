"""Which folders the wheel has; everything else about the project is in pyproject.toml.

The repository's root is the import package: relative imports keep the pack working under any folder name in
custom_nodes. setuptools cannot find packages below such a root by itself, so they are found here.
"""

from setuptools import find_packages, setup

# The command line and what it imports. The nodes are published through the Registry: they need a ComfyUI around them.
PARTS = ("runner", "portrait", "trainer")

found = find_packages(".", include=[name for part in PARTS for name in (part, f"{part}.*")])
setup(
    packages=["portrait_studio", *(f"portrait_studio.{name}" for name in found)],
    package_dir={"portrait_studio": "."},
)
