"""Data sets that a user has as Python objects: arrays, data sets of PyTorch and Hugging Face, data frames."""
