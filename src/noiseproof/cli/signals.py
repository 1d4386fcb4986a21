"""A run that a signal ends: in time, with a status of its own, saying what is left."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What schedulers send before a job's time is over."""


class EndedBySignalError(BaseException):
    """Raised in the main thread where a signal asks for the end; no handler of errors takes it for one."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, a signal ends what is under way as an interrupt does; further ones change nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise EndedBySignalError(signal.Signals(number).name)

    before = {each: signal.signal(each, end) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
