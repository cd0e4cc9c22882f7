# SPDX-License-Identifier: Apache-2.0
"""The best engine that works: where one fails, at start or later, the next takes over and says why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from depth_anything_ros.core.errors import EngineError, MissingExtra
from depth_anything_ros.engines.base import Engine, Prediction, Request

_logger = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """An engine that might work here, why it would be the one, and what makes it from that reason."""

    name: str
    reason: str
    make: Callable[[str], Engine]


class FallbackEngine(Engine):
    """The first of some candidates that starts; the next where it fails to run.

    Only failures of the engine count: corrupt weights, or an image that the model can't do with, are errors whatever
    runs the model. Raises the error of the only candidate, or an EngineError that names what each fails of.
    """

    def __init__(self, candidates: Sequence[Candidate]):
        self._left = list(candidates)
        self._failures: list[str] = []
        self._engine = self._next()

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def model(self) -> str:
        return self._engine.model

    @property
    def camera(self) -> str:
        return self._engine.camera

    def infer_batch(self, requests: Sequence[Request]) -> list[Prediction]:
        """Raises InvalidInput as every engine does; EngineError where the last candidate fails too."""
        while True:
            try:
                return self._engine.infer_batch(requests)
            except EngineError as error:
                if not self._left:
                    raise
                failed = self._engine
                self._failed(failed.name, error)
                failed.close()  # first, as the next one may need its memory
                self._engine = self._next()

    def describe(self) -> dict[str, str]:
        facts = self._engine.describe()
        return {**facts, 'fell_back': '; '.join(self._failures)} if self._failures else facts

    def close(self) -> None:
        self._engine.close()

    def _next(self) -> Engine:
        error: Exception | None = None
        while self._left:
            candidate = self._left.pop(0)
            try:
                return candidate.make(candidate.reason)
            except (EngineError, MissingExtra) as failure:
                error = failure
                self._failed(candidate.name, failure)
        if len(self._failures) == 1:
            raise error
        raise EngineError(f'no engine works here: {"; ".join(self._failures)}')

    def _failed(self, name: str, error: Exception) -> None:
        self._failures.append(f'{name}: {error}')
        if self._left:
            _logger.warning('%s does not work here, %s is tried next: %s', name, self._left[0].name, error)
