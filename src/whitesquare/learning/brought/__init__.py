"""Models that a user names instead of holding: one file for each way in which they are kept; no pickle is ever read."""
