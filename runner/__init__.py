"""Headless use of the studio: graphs, hosts, jobs and the command line."""
