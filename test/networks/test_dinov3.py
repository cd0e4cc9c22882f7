# SPDX-License-Identifier: Apache-2.0
"""transformers' DINOv3 with the official checkpoints' names, constants and numbers."""

import json

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from golden_weights import assert_golden, formula_pixels, golden_folder, golden_outputs, make_state  # noqa: E402
from random_network import randomised  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.networks.dap import DapConfig, DapNet  # noqa: E402
from depth_anything_ros.networks.dap import official_state as dap_state  # noqa: E402
from depth_anything_ros.networks.dinov3 import Dinov3, Dinov3Size, official_dinov3_state  # noqa: E402

TINY = Dinov3Size(hidden=16, layers=2, heads=2, mlp=24, gated=True)


def official(size=TINY, seed=0):
    """A state in Meta's names with random values."""
    generator = torch.Generator().manual_seed(seed)
    wide = {'attn.qkv': (3 * size.hidden, size.hidden), 'attn.proj': (size.hidden, size.hidden)}
    if size.gated:
        mlp = {'mlp.w1': (size.mlp, size.hidden), 'mlp.w2': (size.mlp, size.hidden), 'mlp.w3': (size.hidden, size.mlp)}
    else:
        mlp = {'mlp.fc1': (size.mlp, size.hidden), 'mlp.fc2': (size.hidden, size.mlp)}
    shapes = {
        'cls_token': (1, 1, size.hidden),
        'storage_tokens': (1, size.registers, size.hidden),
        'mask_token': (1, size.hidden),
        'patch_embed.proj.weight': (size.hidden, 3, 16, 16),
        'patch_embed.proj.bias': (size.hidden,),
        'norm.weight': (size.hidden,),
        'norm.bias': (size.hidden,),
    }
    for i in range(size.layers):
        for name, shape in {**wide, **mlp}.items():
            shapes[f'blocks.{i}.{name}.weight'] = shape
            shapes[f'blocks.{i}.{name}.bias'] = shape[:1]
        for name in ('norm1.weight', 'norm1.bias', 'ls1.gamma', 'norm2.weight', 'norm2.bias', 'ls2.gamma'):
            shapes[f'blocks.{i}.{name}'] = (size.hidden,)
    state = {f'vit.{key}': torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    count = size.hidden // size.heads // 4
    state['vit.rope_embed.periods'] = 100.0 ** (torch.arange(count) / count)
    for i in range(size.layers):
        mask = torch.ones(3 * size.hidden)
        mask[size.hidden : 2 * size.hidden] = 0
        state[f'vit.blocks.{i}.attn.qkv.bias_mask'] = mask
    return state


@pytest.mark.parametrize('gated', [True, False])
def test_every_official_key_finds_its_place(gated):
    size = Dinov3Size(hidden=16, layers=2, heads=2, mlp=24, gated=gated)
    own = Dinov3(size).state_dict()
    renamed = official_dinov3_state(official(size), 'vit.', '')
    assert {key: value.shape for key, value in renamed.items()} == {key: value.shape for key, value in own.items()}


def test_a_network_from_the_meta_device_is_complete_once_loaded():
    with torch.device('meta'):
        network = Dinov3(TINY)
    network.load_state_dict(official_dinov3_state(official(), 'vit.', ''), assign=True)
    everything = [*network.parameters(), *network.buffers()]
    assert not any(tensor.is_meta for tensor in everything)
    _, last = network.eval()(torch.rand(1, 3, 32, 48))
    assert last.isfinite().all()


@torch.no_grad()
def test_it_gives_what_the_model_of_transformers_gives():
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    config = DINOv3ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, num_register_tokens=4,
        use_gated_mlp=True, hidden_act='silu',
    )  # fmt: skip
    network = randomised(Dinov3(TINY))
    reference = DINOv3ViTModel(config).eval()
    names = {
        key.replace('layer.', 'model.layer.', 1) if key.startswith('layer.') else key: key
        for key in network.state_dict()
    }
    reference.load_state_dict(
        {theirs: network.state_dict()[ours] for theirs, ours in names.items() if 'inv_freq' not in ours}
    )
    pixels = torch.rand(2, 3, 32, 64)
    (first,), last = network(pixels, (0,))
    torch.testing.assert_close(network.norm(last), reference(pixels).last_hidden_state)
    assert first.shape == last.shape == (2, 1 + 4 + 8, 16)


@pytest.mark.parametrize(
    ('key', 'change'),
    [
        ('vit.rope_embed.periods', lambda t: t * 1.01),
        ('vit.rope_embed.periods', lambda t: torch.full_like(t, torch.nan)),
        ('vit.blocks.1.attn.qkv.bias_mask', torch.ones_like),
        ('vit.blocks.1.attn.qkv.bias_mask', lambda t: torch.full_like(t, torch.nan)),
    ],
)
def test_a_constant_that_is_not_dinov3s_is_an_error_that_names_it(key, change):
    state = official()
    state[key] = change(state[key])
    with pytest.raises(CheckpointError, match=key.replace('.', r'\.')):
        official_dinov3_state(state, 'vit.', '')


def test_periods_rounded_to_bfloat16_are_used_as_they_stand():
    state = official()
    rounded = state['vit.rope_embed.periods'].bfloat16()
    state['vit.rope_embed.periods'] = rounded
    renamed = official_dinov3_state(state, 'vit.', '')
    torch.testing.assert_close(1 / renamed['rope_embeddings.inv_freq'], rounded.float())


def test_keys_that_nobody_knows_stay_and_are_named_by_strict_loading():
    state = official()
    strangers = {'other.weight', 'vit.stranger', 'vit.blocks.0.attn.stranger', 'vit.blocks.0.mlp.stranger.weight'}
    state.update({key: torch.zeros(2) for key in strangers})
    assert strangers <= set(official_dinov3_state(state, 'vit.', ''))


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(CheckpointError, match='multiple of 4 x heads'):
        Dinov3Size(hidden=30, layers=2, heads=4, mlp=8)


def partial_state(fixture, tmp_path, wanted):
    """The formula's values for some keys of a checkpoint: a truncated network is quick to make."""
    given = json.loads((golden_folder(fixture) / 'keys.json').read_text())
    given['keys'] = {key: entry for key, entry in given['keys'].items() if wanted(key)}
    (tmp_path / 'keys.json').write_text(json.dumps(given))
    return make_state(tmp_path / 'keys.json')


@torch.no_grad()
def test_dap_gives_its_heads_what_the_official_adapter_gives_them(tmp_path):
    """Five blocks of ViT-L, at full size, with the quirk of the adapter; measured 2.1e-6 of a standard deviation."""
    first = tuple(f'core.pretrained.model.blocks.{i}.' for i in range(5))

    def wanted(key):
        return key.startswith(('core.pretrained.model.', 'core.pretrained.norm.')) and (
            '.blocks.' not in key or key.startswith(first)
        )

    config = DapConfig(layers=5, taps=(1, 2, 3, 4), features=8, channels=(8, 8, 8, 8))
    with torch.device('meta'):
        network = DapNet(config).eval()
    state = dap_state(partial_state('dap_vitl', tmp_path, wanted), config)
    missing = network.load_state_dict(state, strict=False, assign=True).missing_keys
    assert all('head.' in key for key in missing)
    grid = network.grids(formula_pixels(512, 1024))[-1]
    assert_golden(grid[0, ::16, ::4, ::4], golden_outputs('dap_vitl')['tap0_512x1024'])


@torch.no_grad()
def test_metric_anything_sees_its_first_tile_as_the_official_encoder_does(tmp_path):
    """Eight blocks of ViT-H+ over the top left tile: the part of the first of the seven maps that it alone decides."""
    name, prefix = 'metric_anything_student_depthmap', 'encoder.patch_encoder.'
    first = tuple(f'{prefix}blocks.{i}.' for i in range(8))

    def wanted(key):
        return key.startswith('encoder.upsample_latent0.') or (
            key.startswith(prefix) and ('.blocks.' not in key or key.startswith(first))
        )

    with torch.device('meta'):
        network = Dinov3(Dinov3Size(hidden=1280, layers=8, heads=20, mlp=5120, gated=True)).eval()
    state = official_dinov3_state(partial_state(name, tmp_path, wanted), prefix, '')
    project, enlarge = (state.pop(f'encoder.upsample_latent0.{i}.weight') for i in range(2))
    network.load_state_dict(state, assign=True)
    (_, last) = network(formula_pixels(1536, 1536)[..., :384, :384])
    grid = last[:, 5:].transpose(1, 2).unflatten(2, (24, 24))[..., :21, :21]
    grid = torch.nn.functional.conv2d(grid, project)
    grid = torch.nn.functional.conv_transpose2d(grid, enlarge, stride=2)
    stored = golden_outputs(name)['encoding0_c32_s8']
    found = grid[0, ::32, ::8, ::8].numpy()
    assert found.shape == (10, 6, 6)
    assert abs(found - stored[:, :6, :6]).max() <= 1e-4 * stored.std()
