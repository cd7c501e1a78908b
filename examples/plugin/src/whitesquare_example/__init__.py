"""An attack, a trigger, a detector and a data source of another package; ``pyproject.toml`` names them."""
