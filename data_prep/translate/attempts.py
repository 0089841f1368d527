"""Tries a batch again with growing pauses, then splits it, until single segments fail with a reason."""

import time
from collections.abc import Callable, Sequence

from data_prep.errors import LangadaptError
from data_prep.translate.engines.base import Engine, EngineFault, Failure, Result

_LONGEST_WAIT = 60.0


def attempt(engine: Engine, batch: Sequence[str], *, sleep: Callable[[float], None] = time.sleep) -> list[Result]:
    """One result per segment.

    Raises:
        LangadaptError: The engine is out of order.
    """
    return _attempt(engine, batch, engine.pace.tries, sleep)


def _attempt(engine: Engine, batch: Sequence[str], tries: int, sleep: Callable[[float], None]) -> list[Result]:
    for number in range(tries):
        try:
            return engine.translate(batch)
        except EngineFault as fault:
            last = fault
            if not fault.retry:
                break
            if number + 1 < tries:
                sleep(min(fault.wait or engine.pace.first_wait * 2**number, _LONGEST_WAIT))
    if not last.split:
        raise out_of_order(last)
    if len(batch) == 1:
        return [Failure(last.reason, by_engine=True)]
    middle = len(batch) // 2
    return _attempt(engine, batch[:middle], 1, sleep) + _attempt(engine, batch[middle:], 1, sleep)


def out_of_order(fault: EngineFault) -> LangadaptError:
    """The error that ends a run whose engine gives no usable answers."""
    return LangadaptError(
        f"the translation engine gives no usable answers: {fault.detail}",
        why="going on would reject documents that a working engine translates",
        fix="mend or start the engine, then run the same command again: finished segments are kept",
    )
