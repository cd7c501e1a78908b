"""Where decisions stand, in words and as JSON."""
