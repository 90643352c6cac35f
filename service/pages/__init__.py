"""The pages: rendered here, with HTMX beside them, no build step, and nothing from elsewhere."""

from .app import add_pages, make_front

__all__ = ["add_pages", "make_front"]
