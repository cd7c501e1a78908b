"""What a data set is, who says so, and what became of it: manifests, signatures, verification; needs no NumPy."""
