"""What tests let worker processes do; it loads nothing, for every process loads it."""

import os
import signal


def dies(item, shared):
    """End as a process does that the machine has no memory for."""
    os.kill(os.getpid(), signal.SIGKILL)
