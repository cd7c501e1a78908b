"""Scans of more than memory holds: from data set to report in shards, on processes or a cluster, and taken up again.

Read ``steps.py`` first: it is the whole way in one page.
"""
