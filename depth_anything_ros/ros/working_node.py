# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node whose work is done in threads: the ways out of it, which are the same for each."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn


class WorkingNode(LifecycleNode):
    """Subclasses stop their subscriptions and threads in `_stop_listening` and give back what configuring took in
    `_release`; both may be called when there is nothing to do.
    """

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_listening()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_listening()
        self._release()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        self._stop_listening()  # the threads use what is about to go
        super().destroy_node()

    def _stop_listening(self) -> None:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError
