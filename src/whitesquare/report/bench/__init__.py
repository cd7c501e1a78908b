"""The report of a bench: page and charts."""
