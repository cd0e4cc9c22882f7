# SPDX-License-Identifier: Apache-2.0
"""What a run has measured so far: one JSON line a record, and a picture of it."""

from __future__ import annotations

import json
from pathlib import Path

from depth_anything_ros.core.errors import MissingExtra

NO_LOSS = {'step', 'seconds', 'rate', 'gradient_norm'}


class Curves:
    """Appends records {'step': ..., name: value} to metrics.jsonl; `forget_after` cuts what a resumed run redoes."""

    def __init__(self, folder: Path):
        self.path = folder / 'metrics.jsonl'
        self.records = [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def forget_after(self, step: int):
        self.records = [record for record in self.records if record['step'] <= step]
        self.path.write_text(''.join(json.dumps(record) + '\n' for record in self.records))

    def add(self, record: dict):
        self.records.append(record)
        with open(self.path, 'a') as file:
            file.write(json.dumps(record) + '\n')

    def draw(self, target: Path):
        """Losses above, AbsRel over the best classical completion's by case below."""
        try:
            import matplotlib

            matplotlib.use('Agg')
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise MissingExtra('matplotlib', 'train', 'drawing training curves') from error
        figure, (above, below) = plt.subplots(2, 1, figsize=(9, 9), sharex=True)
        names = sorted({name for record in self.records for name in record} - NO_LOSS)
        for name in (name for name in names if '/' not in name):
            above.plot(*self._series(name), label=name)
        for name in (name for name in names if name.endswith('/classical')):
            case = name.removesuffix('/classical')
            both = [r for r in self.records if name in r and f'{case}/absrel' in r]
            below.plot([r['step'] for r in both], [r[f'{case}/absrel'] / r[name] for r in both], label=case)
        above.set(yscale='symlog', ylabel='loss')
        below.set(yscale='log', xlabel='step', ylabel='AbsRel / best classical')
        for axes in (above, below):
            axes.grid(alpha=0.3)
            if axes.lines:
                axes.legend(fontsize=7, ncol=3)
        figure.tight_layout()
        figure.savefig(target, dpi=100)
        plt.close(figure)

    def _series(self, name: str) -> tuple[list, list]:
        pairs = [(record['step'], record[name]) for record in self.records if name in record]
        return [step for step, _ in pairs], [value for _, value in pairs]
