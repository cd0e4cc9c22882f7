# SPDX-License-Identifier: Apache-2.0
"""Weights into the cache: downloaded from the Hugging Face hub, or a file that the user has. Whole and checked, or not
at all.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from depth_anything_ros.core.errors import CheckpointError, DepthError, MissingExtra
from depth_anything_ros.networks.card import known_models, load_card
from depth_anything_ros.networks.card_schema import SHA256, ModelCard, WeightFile
from depth_anything_ros.networks.loading import fitting_source, network_from
from depth_anything_ros.networks.weight_store import record_sha256, sha256

SPACE = 'spaces/'  # how the address of a space, not of a model, starts on the hub
UNFINISHED = re.compile(r'\.unfinished-(\d+)-')  # the process that works on it


def fetch(card: ModelCard, source: WeightFile) -> Path:
    """Download a source of the card into the cache -> its path.

    Raises CheckpointError, one line: no network, no such file, access refused, too little space, a file that is not
    what the card or the hub says it is. MissingExtra without huggingface_hub.
    """
    if source.hub is None:
        raise CheckpointError(f'{card.name}: its card names no hub repository; use depth_anything_ros models add')
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    except ImportError as error:
        raise MissingExtra('huggingface_hub', 'hub', 'fetching weights') from error
    repository, kind = source.hub.removeprefix(SPACE), 'space' if source.hub.startswith(SPACE) else 'model'
    where = {'repo_type': kind, 'endpoint': os.environ.get('HF_ENDPOINT')}  # as it is now, not as it was at import
    with _unfinished(card.store) as folder:
        try:
            metadata = get_hf_file_metadata(hf_hub_url(repository, source.file, **where))
            _check_space(card.store, metadata.size)
            came = Path(hf_hub_download(repository, source.file, local_dir=folder, **where))
        except DepthError:
            raise
        except Exception as error:  # the hub's own, and those of requests or httpx, have no common base
            raise CheckpointError(f'{card.name}: {source.hub}/{source.file} did not come: {_reason(error)}') from error
        digest = sha256(came)
        _check_digest(card, source, digest, metadata.etag)
        network_from(card, source, came)  # every key and shape, before anybody finds it
        return _put(came, card.store / Path(source.file).name, digest)


def adopt(file: Path, card: ModelCard, link: bool = False) -> Path:
    """Copy (or link) a file that the user has to where the card looks for it -> that path.

    Raises CheckpointError where the file is not what the card means.
    """
    source = fitting_source(card, file) or card.weights
    network_from(card, source, file)
    other = _namesake(file, card)
    if other:
        raise CheckpointError(f'{file}: is called like the weights of {other}, whose keys are the same: --card {other}')
    digest = sha256(file)
    _check_digest(card, source, digest, None)
    target = card.path_of(source)
    if target.is_file() and target.samefile(file):
        record_sha256(target, digest)
        return target
    with _unfinished(target.parent) as folder:
        came = folder / file.name
        if link:
            came.symlink_to(file.resolve())
        else:
            _check_space(target.parent, file.stat().st_size)
            shutil.copyfile(file, came)
        return _put(came, target, digest)


def _namesake(file: Path, card: ModelCard) -> str:
    """Another card of this network whose file is called like this, where none of this card's is."""
    named = {c.name: {Path(s.file).name for s in c.sources} for c in map(load_card, known_models())}
    if file.name in {Path(source.file).name for source in card.sources}:
        return ''
    return next((name for name, files in named.items() if file.name in files and name != card.name), '')


def _check_digest(card: ModelCard, source: WeightFile, digest: str, etag: str | None):
    """The hub's etag of a large file is its sha256; that of a small one is something else."""
    expected, whose = source.sha256, 'the card'
    if expected is None and etag and SHA256.fullmatch(etag):
        expected, whose = etag, 'the hub'
    if expected is not None and digest != expected:
        raise CheckpointError(f'{card.name}: {source.file} has sha256 {digest}, {whose} says {expected}')


def _check_space(folder: Path, size: int | None):
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise CheckpointError(f'{folder}: {size / 1e6:.0f} MB are needed there, {free / 1e6:.0f} MB are free')


def _put(came: Path, target: Path, digest: str) -> Path:
    os.replace(came, target)
    record_sha256(target, digest)
    return target


@contextmanager
def _unfinished(store: Path) -> Iterator[Path]:
    """A folder beside the final place that is gone afterwards, and so are those of processes that were killed."""
    store.mkdir(parents=True, exist_ok=True)
    for folder in store.iterdir():
        owner = UNFINISHED.match(folder.name)
        if owner and not _alive(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f'.unfinished-{os.getpid()}-', dir=store) as folder:
        yield Path(folder)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _reason(error: Exception) -> str:
    said = {
        'GatedRepoError': 'its owner asks for a login and for consent on the hub: hf auth login',
        'RepositoryNotFoundError': 'there is no such repository on the hub, or it is private',
        'RemoteEntryNotFoundError': 'there is no such file in that repository',
        'EntryNotFoundError': 'there is no such file in that repository',
        'OfflineModeIsEnabled': 'HF_HUB_OFFLINE forbids it',
    }
    text = str(error).strip().splitlines()
    return said.get(type(error).__name__) or f'{type(error).__name__}: {text[0] if text else "no reason given"}'
