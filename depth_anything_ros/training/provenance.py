# SPDX-License-Identifier: Apache-2.0
"""What made a series of shards: SERIES.provenance.yaml beside its shards SERIES_0000_image.npy and so on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from depth_anything_ros.core.errors import InvalidInput, RecordingError

SUFFIX = '.provenance.yaml'


@dataclass(frozen=True)
class Asset:
    """Somebody's work that is visible in the frames."""

    name: str
    licence: str
    source: str

    def __post_init__(self):
        if not (self.name and self.licence and self.source):
            raise InvalidInput(f'asset: expected a name, a licence and a source, got {self}')


@dataclass(frozen=True)
class Provenance:
    """generator: what ran; version: of this package and of what rendered; settings: plain values which, with the
    seed, give the same frames again; recorded: by sensors, for which unknown depth (NaN) may be anything, while
    where a renderer's ray met nothing there is sky.
    """

    generator: str
    version: str
    kind: str
    seed: int
    settings: dict = field(default_factory=dict)
    assets: tuple[Asset, ...] = ()
    licence: str = 'Apache-2.0'  # of the frames themselves
    recorded: bool = False


def assets_of(folder: str | Path) -> list[Asset]:
    """What a folder of pictures or HDRIs says of itself: `assets.yaml`, a list of name, licence, source."""
    import yaml

    path = Path(folder) / 'assets.yaml'
    if not path.exists():
        return [Asset(Path(folder).name, 'not stated', f'no {path.name} beside the files')]
    try:
        return [Asset(**asset) for asset in yaml.safe_load(path.read_text())]
    except (yaml.YAMLError, TypeError) as error:
        raise RecordingError(f'{path}: expected a list of name, licence and source: {error}') from error


def write_provenance(folder: str | Path, series: str, provenance: Provenance):
    """Beside the shards of a series. Raises RecordingError where the series there was made otherwise."""
    import yaml

    folder = Path(folder)
    path = folder / (series + SUFFIX)
    if path.exists():
        found = read_provenance(path)
        if found != provenance:
            different = [
                f'{item.name} {getattr(found, item.name)!r} -> {getattr(provenance, item.name)!r}'
                for item in dataclasses.fields(Provenance)
                if getattr(found, item.name) != getattr(provenance, item.name)
            ]
            raise RecordingError(
                f'{folder}: series {series} was made otherwise ({"; ".join(different)}): choose another folder or seed'
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix('.part')
    unfinished.write_text(yaml.safe_dump(_plain(dataclasses.asdict(provenance)), sort_keys=False))
    unfinished.rename(path)


def read_provenance(path: str | Path) -> Provenance:
    """Raises RecordingError where the file is not one of ours."""
    import yaml

    try:
        given = yaml.safe_load(Path(path).read_text())
        return Provenance(**given | {'assets': tuple(Asset(**asset) for asset in given.get('assets', ()))})
    except (OSError, yaml.YAMLError, TypeError, AttributeError) as error:
        raise RecordingError(f'{path}: expected the provenance of a series of shards: {error}') from error


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
