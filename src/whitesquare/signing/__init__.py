"""Keys, envelopes, statements and times: who said what, and when."""
