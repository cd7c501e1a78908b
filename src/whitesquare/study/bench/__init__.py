"""A grid of attacks, rates and victims: planned in TOML, run anywhere, taken up where it was left."""
