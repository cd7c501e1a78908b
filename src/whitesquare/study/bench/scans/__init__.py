"""Scans as cells of a bench: what is scanned, what is measured of it, and what all scans say together."""
