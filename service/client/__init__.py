"""What can be asked of a studio, typed: `StudioClient` asks one over HTTP, the pages ask the same of their own.

with StudioClient("https://studio.example.org", token) as client:
    for subject in client.list_subjects(): ...
"""

from .http import SessionNews, StudioClient
from .operations import Content, Operations

__all__ = ["Content", "Operations", "SessionNews", "StudioClient"]
