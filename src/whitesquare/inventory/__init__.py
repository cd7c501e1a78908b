"""What is there, for other people's lists: a CycloneDX bill of materials and Croissant metadata; needs no NumPy."""
