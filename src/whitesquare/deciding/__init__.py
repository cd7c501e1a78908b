"""What people decided about the samples of a scan: who, when and why, in a file that only grows; needs no NumPy."""
