"""One job for each verb: what the command line and a notebook both call."""
