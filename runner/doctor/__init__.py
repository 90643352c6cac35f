"""The doctor: what would keep graphs from running on a host, running or not, told before anybody waits for it."""

from .examination import Report, examine
from .finding import Finding, Level
from .folder import site_of_folder
from .live import site_of_host
from .site import Failure, Site

__all__ = ["Failure", "Finding", "Level", "Report", "Site", "examine", "site_of_folder", "site_of_host"]
