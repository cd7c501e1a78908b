"""The report of a drill: page and text."""
