"""What stands for Ray, and does to its process what Ray does."""

import os
import time
from dataclasses import dataclass

from whitesquare.errors import UsageError
from whitesquare.executor.types import Outcome, attempt


@dataclass(frozen=True)
class Works:
    """Does what it is asked."""

    address: str

    def begin(self, shared):
        pass

    def run(self, work, items, shared):
        for index, item in enumerate(items):
            yield Outcome(index, *attempt(work, item, shared))


class IsLost(Works):
    """As Ray ends its process when the cluster is lost: with the exit code of findings, and no exception."""

    def run(self, work, items, shared):
        yield Outcome(0, os.getpid())
        os._exit(1)


class SaysNothing(Works):
    """As Ray tries, again and again, to join what is no cluster."""

    def begin(self, shared):
        time.sleep(600)


class Refuses(Works):
    def begin(self, shared):
        raise UsageError("There is no Ray cluster to be reached: it asks for a token.")


class GivesUp(Works):
    """As Ray does when actors die again and again."""

    def run(self, work, items, shared):
        yield Outcome(0, 1)
        raise RuntimeError(f"ActorDiedError:\nThe actor {'died ' * 200}")


class Waits(Works):
    def run(self, work, items, shared):
        yield Outcome(0, 1)
        time.sleep(600)


class FromWay(IsLost):
    """What takes the place of Ray Data."""

    def __init__(self, workers, address):
        super().__init__(address)


def summed(item, shared):
    return os.getpid(), float(shared["numbers"].sum()) + 6 / item
