"""Which files the wheel has; everything else about the project is in pyproject.toml.

The repository's root is the import package: relative imports keep the pack working under any folder name in
custom_nodes. setuptools finds neither packages nor data below such a root by itself, so they are found here.
"""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = "portrait_studio"
# The command line and what it imports. The nodes are published through the Registry: they need a ComfyUI around them.
PARTS = ("runner", "portrait", "trainer", "service")
DATA = ("json", "toml", "sql", "safetensors", "html", "css", "js", "svg", "webp", "mako", "LICENSE")
GRAPHS = ("workflows/*.json", "workflows/*.jpg", "workflows/api/*.json")


class PackagesAndTheDoor(build_py):
    """Leaves out what else is at the root: this file and install.py."""

    def find_package_modules(self, package, package_dir):  # noqa: D102
        modules = super().find_package_modules(package, package_dir)
        return [found for found in modules if package != ROOT or found[1] == "__init__"]


found = find_packages(".", include=[name for part in PARTS for name in (part, f"{part}.*")])
setup(
    packages=[ROOT, *(f"{ROOT}.{name}" for name in found)],
    package_dir={ROOT: "."},
    package_data={ROOT: [*GRAPHS, *(f"{part}/**/*.{kind}" for part in PARTS for kind in DATA)]},
    cmdclass={"build_py": PackagesAndTheDoor},
)
