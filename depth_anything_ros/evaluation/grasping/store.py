# SPDX-License-Identifier: Apache-2.0
"""Results on disk, a line a grasp.

A run that was cut off goes on, and a new model reruns only what it changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

from depth_anything_ros import __version__
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.engines.factory import CLASSICAL
from depth_anything_ros.evaluation.grasping.cells import NETWORK_SOURCES, Cell
from depth_anything_ros.evaluation.grasping.trial import Result
from depth_anything_ros.networks.card import find_card

FILE = 'trials.jsonl'
# what a result depends on beside model and seed; of the rest of the package its version stands for all
MODULES = (
    'appearance', 'cells', 'execution', 'hand', 'perception', 'ranger', 'scene', 'shapes', 'surfaces', 'trial', 'world',
)  # fmt: skip
PLANNER = ('antipodal', 'collision', 'contacts', 'plane', 'surface', 'voxels')


def fingerprints(sources: tuple[str, ...], settings: str, model: str, engine: str) -> dict[str, str]:
    """source -> digest of code and settings and, where they matter, model and engine.

    settings, engine: everything that was chosen, as text. A model's card holds the digest of its weights.
    """
    code = hashlib.sha256(f'{__version__} {settings}'.encode())
    here = Path(__file__).resolve().parent
    planner = here.parents[1] / 'grasping'
    for file in (*(here / f'{name}.py' for name in MODULES), *(planner / f'{name}.py' for name in PLANNER)):
        code.update(file.read_bytes())
    with_model = code.copy()
    with_model.update(engine.encode() + (b'' if model == CLASSICAL else find_card(model).read_bytes()))
    return {source: (with_model if source in NETWORK_SOURCES else code).hexdigest()[:16] for source in sources}


class Store:
    """Results of a folder that are true of these fingerprints; `add` appends. folder None: in memory only.

    Those of another model, seed or code stay in the file: with that they are true again.

    Raises RecordingError where the folder can't be read or written.
    """

    def __init__(self, folder: Path | None, prints: dict[str, str]):
        self._prints = prints
        self._results: dict[tuple, Result] = {}
        self._file = None if folder is None else folder / FILE
        if self._file is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for result in _read(self._file, prints) if self._file.is_file() else ():
                self._results[_key(result)] = result
            with self._file.open('a+b') as stream:
                stream.seek(max(0, stream.tell() - 1))
                if stream.read(1) not in (b'', b'\n'):  # half a line, of a run that was cut off
                    stream.write(b'\n')
        except OSError as error:
            raise RecordingError(f'{folder}: the results cannot be kept: {error}') from error

    def add(self, results: list[Result]) -> None:
        for result in results:
            self._results[_key(result)] = result
        if self._file is not None:
            with self._file.open('a', encoding='utf-8') as stream:
                stream.write(''.join(self._line(result) for result in results))

    def missing(self, cell: Cell, trial: int) -> tuple[str, ...]:
        """Sources that have no result for this trial."""
        return tuple(s for s in self._prints if (cell.material, cell.distance, trial, s) not in self._results)

    def results(self, cells: tuple[Cell, ...], trials: int) -> list[Result]:
        """Those of the trials asked for; the file may hold more."""
        wanted = {(cell.material, cell.distance) for cell in cells}
        return [r for r in self._results.values() if r.trial < trials and (r.material, r.distance) in wanted]

    def _line(self, result: Result) -> str:
        return json.dumps({'fingerprint': self._prints[result.source], **asdict(result)}) + '\n'


def _key(result: Result) -> tuple:
    return result.material, result.distance, result.trial, result.source


def _read(file: Path, prints: dict[str, str]) -> Iterator[Result]:
    names = {field.name for field in fields(Result)}
    for line in file.read_text(encoding='utf-8').splitlines():
        try:
            given = json.loads(line)
        except ValueError:
            continue
        if given.pop('fingerprint', None) == prints.get(given.get('source', '')) and set(given) == names:
            yield Result(**given)
