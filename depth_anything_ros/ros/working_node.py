# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node whose work is done in threads: its transitions, in and out, which are the same for each."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import ExitStack

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from depth_anything_ros.core.errors import DepthError


class WorkingNode(LifecycleNode):
    """Subclasses take what they need in `_open` (configure) and start to hear and work in `_listen` (activate).

    Whatever has to be undone they put on `_opened` or `_listening` at once: cleanup and deactivate run these, last
    first, and so does a transition that fails half way, with one line that says why.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._opened, self._listening = ExitStack(), ExitStack()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        if not self._succeeds('configure', self._open, self._opened):
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if not self._succeeds('activate', self._listen, self._listening):
            return TransitionCallbackReturn.FAILURE
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._listening.close()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._opened.close()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._listening.close()
        self._opened.close()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        self._listening.close()  # the threads use what is about to go
        super().destroy_node()

    def _open(self) -> None:
        raise NotImplementedError

    def _listen(self) -> None:
        raise NotImplementedError

    def _succeeds(self, what: str, work: Callable[[], None], undo: ExitStack) -> bool:
        try:
            work()
            return True
        except (DepthError, OSError) as error:
            self.get_logger().error(f'cannot {what}: {error}')
        except Exception:  # rclpy would fail the transition without a word
            self.get_logger().error(f'cannot {what}, internal error: {traceback.format_exc()}')
        undo.close()
        return False
