"""Reviewing: a page on this machine on which people look at what a scan flagged, and decide."""
