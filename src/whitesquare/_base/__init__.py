"""Used by every room and known to no user: files, records as JSON, digests, the cache, the machine."""
