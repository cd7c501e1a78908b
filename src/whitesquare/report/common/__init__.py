"""What the pages and texts of every kind of result share."""
