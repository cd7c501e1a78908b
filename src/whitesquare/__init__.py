"""whitesquare shows, measures and stops clean-label data poisoning in image classification."""

__version__ = "0.1.0"
