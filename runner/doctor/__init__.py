"""The doctor: what would keep graphs from running on a host, running or not, before anybody waits for it."""

from .examination import Examination, examine
from .finding import Finding, Severity
from .folder import facts_of_folder
from .host_facts import Failure, HostFacts
from .live import facts_of_host

__all__ = ["Examination", "Failure", "Finding", "HostFacts", "Severity", "examine", "facts_of_folder", "facts_of_host"]
