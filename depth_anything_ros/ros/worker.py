# SPDX-License-Identifier: Apache-2.0
"""A thread of its own for long work, woken by messages.

Not a callback group: a guard condition that is triggered while its group is busy makes rclpy's multi-threaded executor
spin at full speed until the group is free (measured: one core and, through the interpreter lock, most of the other).
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """Calls `work()` soon after every `wake()`, however many come meanwhile, and every `again_s` without.

    Runs from construction to `close()`. `work` must not raise.
    """

    def __init__(self, work: Callable[[], None], again_s: float):
        self._work, self._again_s = work, again_s
        self._wake, self._closing = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def close(self) -> None:
        """Returns when the work under way is done; none is started after that."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._again_s)
            self._wake.clear()
            if not self._closing:
                self._work()
