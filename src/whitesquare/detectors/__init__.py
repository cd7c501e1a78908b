"""Detectors: one file per method, one formula each; they score and never flag."""
