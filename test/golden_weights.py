# SPDX-License-Identifier: Apache-2.0
"""The fixtures beside the checkout (../shared/golden): weights and inputs made by its formula, and what the official
networks gave for them.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).resolve().parents[2] / 'shared' / 'golden'
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
TOLERANCE = 1e-4  # of the stored output's standard deviation; exp depth of Depth Anything 3: 2e-4


def golden_folder(name: str) -> Path:
    """Where the fixture lies, or the test skips."""
    folder = GOLDEN / name
    if not folder.is_dir():
        pytest.skip(f'the golden outputs of {name} are not beside this checkout (../shared/golden)')
    return folder


def golden_outputs(name: str) -> dict[str, np.ndarray]:
    with np.load(golden_folder(name) / 'outputs.npz') as stored:
        return dict(stored)


def make_state(keys_json_path: str | Path) -> dict[str, torch.Tensor]:
    """Every tensor of an official checkpoint by the formula, float32, in the official order of keys."""
    keys = json.loads(Path(keys_json_path).read_text())['keys']
    state = {}
    for key, entry in keys.items():
        value = _value(entry.get('alias_of', key), keys[entry.get('alias_of', key)])
        if 'first3' in entry:
            np.testing.assert_allclose(value.ravel()[:3], entry['first3'], rtol=2e-6, atol=1e-8, err_msg=key)
        state[key] = torch.from_numpy(value)
    return state


def key_shapes(keys_json_path: str | Path) -> dict[str, tuple[int, ...]]:
    keys = json.loads(Path(keys_json_path).read_text())['keys']
    return {key: tuple(entry['shape']) for key, entry in keys.items()}


def formula_image(height: int, width: int) -> np.ndarray:
    """(H, W, 3) float32 in [0, 1], not normalised."""
    y, x, c = np.mgrid[:height, :width, :3].astype(np.float64)
    wave = np.sin(0.031 * (c + 1) * x + 0.017 * y * (c + 1) + c) * np.cos(0.023 * y - 0.011 * x * (c + 1))
    return (0.5 + 0.5 * wave).astype(np.float32)


def formula_pixels(height: int, width: int, mean=IMAGENET_MEAN, std=IMAGENET_STD) -> torch.Tensor:
    """(1, 3, H, W) float32: the formula's image, normalised."""
    image = (formula_image(height, width) - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))


def formula_prompt(height: int, width: int) -> np.ndarray:
    """(H, W) float32 metres."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return (3 + 1.5 * np.sin(0.05 * x) * np.cos(0.04 * y)).astype(np.float32)


def assert_golden(found, stored: np.ndarray, tolerance: float = TOLERANCE):
    """The largest difference is within `tolerance` standard deviations of what the official network gave."""
    found = np.asarray(found, dtype=np.float64)
    assert found.shape == stored.shape, f'shape {found.shape}, stored {stored.shape}'
    worst = np.abs(found - stored).max() / stored.std(dtype=np.float64)
    assert worst <= tolerance, f'off by {worst:.2g} of one standard deviation, allowed {tolerance:g}'


def _value(key: str, entry: dict) -> np.ndarray:
    shape, kind, override = tuple(entry['shape']), entry['kind'], entry.get('override')
    if kind == 'constant':
        return _constant(key, entry)
    if isinstance(override, (int, float)):
        return np.full(shape, override, np.float32)
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    x = rng.standard_normal(shape, dtype=np.float32)
    if kind == 'weight':
        x = x / np.float32(math.sqrt(math.prod(shape[1:])))
    elif kind == 'token':
        x = np.float32(0.2) * x
    elif kind in ('norm', 'gamma'):
        x = np.float32({'norm': 1, 'gamma': 0.5}[kind]) + np.float32(0.1) * x
    elif kind == 'bias':
        x = np.float32(0.02) * x
    else:
        raise AssertionError(f'{key}: kind {kind!r} is not one of the formula')
    return x * np.float32(override['multiply_formula_value_by']) if override else x


def _constant(key: str, entry: dict) -> np.ndarray:
    shape = tuple(entry['shape'])
    if 'values' in entry:
        return np.array(entry['values'], np.float32).reshape(shape)
    if 'zeros in the middle third' in entry.get('rule', ''):
        value = np.ones(shape, np.float32)
        value[shape[0] // 3 : 2 * shape[0] // 3] = 0
        return value
    raise AssertionError(f'{key}: a constant without values or a rule known here')


def load_golden(
    name: str, network: str, settings: dict, folder: Path, prefix: str = '', strip_characters: int = 0
) -> torch.nn.Module:
    """A network through the package's own strict loader, from a file made by the formula in the official layout.

    prefix, strip_characters: what the released file has before every key.
    """
    path = folder / f'{name}.pth'
    state = make_state(golden_folder(name) / 'keys.json')
    before = prefix + 'x' * strip_characters
    torch.save({'state_dict': {before + key: value for key, value in state.items()}}, path)
    del state  # the loader maps the file: one copy in memory
    return load_file(path, network, settings, 'official', prefix, strip_characters)


def load_file(
    path: Path, network: str, settings: dict, form: str, prefix: str = '', strip_characters: int = 0
) -> torch.nn.Module:
    """A network with the weights in a file of this form ('official', 'huggingface'), as a card would have it loaded."""
    from depth_anything_ros.networks.card_schema import ModelCard, WeightFile
    from depth_anything_ros.networks.loading import network_from

    metric = network != 'depth_anything' or settings.get('max_depth_m') is not None
    card = ModelCard(
        name=path.stem,
        description='made for a test',
        licence='none',
        network=network,
        network_config=settings,
        metric=metric,
        output_space='metric depth' if metric else 'disparity',
        inputs={},
        outputs={},
        weights=WeightFile(path.name, None, format=form, prefix=prefix, strip_characters=strip_characters),
    )
    return network_from(card, card.weights, path)
