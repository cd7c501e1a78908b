"""The report of a measurement: one page, its figures and its sentences."""
