# SPDX-License-Identifier: Apache-2.0
"""`models`: what is listed, and weights that come whole and checked or not at all."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('huggingface_hub')

from hub_server import running_hub  # noqa: E402
from tiny_model import CONFIG, tiny_network  # noqa: E402

from depth_anything_ros.cli.main import main  # noqa: E402
from depth_anything_ros.networks import weight_fetch  # noqa: E402
from depth_anything_ros.networks.card import load_card, save_card  # noqa: E402
from depth_anything_ros.networks.card_schema import ModelCard, WeightFile  # noqa: E402
from depth_anything_ros.networks.checkpoint import save_weights  # noqa: E402
from depth_anything_ros.networks.loading import load_network  # noqa: E402

ON_THE_HUB = '/someone/tiny/resolve/main/files/tiny.safetensors'


@pytest.fixture(scope='session')
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_weights(tiny_network(), path)
    return path


@pytest.fixture
def hub(weights, tmp_path, monkeypatch):
    """A hub with the weights of a tiny model, and an empty cache."""
    monkeypatch.setenv('DEPTH_ANYTHING_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('HF_HUB_DISABLE_TELEMETRY', '1')
    with running_hub() as server:
        monkeypatch.setenv('HF_ENDPOINT', server.address)
        server.files[ON_THE_HUB] = weights.read_bytes()
        yield server


@pytest.fixture
def card(tmp_path):
    """The path of a card whose weights are on the hub."""
    card = ModelCard(
        name='tiny',
        description='random weights',
        licence='Apache-2.0',
        network='sparse_prompt',
        network_config=CONFIG,
        metric=True,
        inputs={},
        outputs={},
        weights=WeightFile('files/tiny.safetensors', None, hub='someone/tiny'),
    )
    save_card(card, tmp_path / 'tiny.yaml')
    return tmp_path / 'tiny.yaml'


def change(path, **fields):
    save_card(dataclasses.replace(load_card(str(path)), **fields), path)


def cached(tmp_path) -> list[str]:
    return sorted(str(p.relative_to(tmp_path / 'cache')) for p in (tmp_path / 'cache').rglob('*') if p.is_file())


WHOLE = ['models/tiny/tiny.safetensors', 'models/tiny/tiny.safetensors.sha256']


# What there is


def test_the_documentation_of_the_models_is_what_their_cards_say(repository, capsys):
    assert main(['models', 'list', '--markdown']) == 0
    written = (repository / 'docs' / 'models.md').read_text(encoding='utf-8')
    assert capsys.readouterr().out == written, 'run: depth_anything_ros models list --markdown > docs/models.md'


def test_the_table_names_every_model_with_licence_and_size(capsys):
    assert main(['models', 'list']) == 0
    out = capsys.readouterr().out
    for said in ('depth_anything_v2_large', 'CC-BY-NC-4.0', '1341 MB', 'disparity', 'dense', 'radial depth'):
        assert said in out


def test_names_are_whole_in_a_narrow_terminal_too():
    from rich.console import Console

    from depth_anything_ros.cli.models_table import table

    cards = [load_card(f'depth_anything_v2_metric_hypersim_{size}') for size in ('small', 'large')]
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table(cards))
    assert all(card.name in capture.get() for card in cards)
    assert 'CC-BY-' in capture.get()


def test_licences_without_commercial_use_are_red():
    from rich.console import Console

    from depth_anything_ros.cli.models_table import table

    console = Console(force_terminal=True, color_system='standard', width=200)
    with console.capture() as capture:
        console.print(table([load_card(f'depth_anything_v2_{size}') for size in ('small', 'large')]))
    assert '\x1b[31mCC-BY-NC-4.0' in capture.get()
    assert '\x1b[31mApache' not in capture.get()


def test_info_tells_what_is_not_known_too(hub, capsys):
    assert main(['models', 'info', 'depth_pro']) == 0
    out = capsys.readouterr().out
    for said in ('952 M', 'sha256 not verified', 'not here', 'apple/DepthPro-hf', 'research only', '0.059'):
        assert said in out


def test_listing_needs_no_torch():
    listing = 'from depth_anything_ros.cli.main import main; main(["models", "list"])'
    code = f'import sys; {listing}; print("torch" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith('False')


@pytest.mark.parametrize('action', ['"get", "depth_pro"', '"add", "a.pth", "--card", "depth_pro"'])
def test_asking_for_consent_to_a_licence_needs_no_torch(action):
    asking = f'from depth_anything_ros.cli.main import main; code = main(["models", {action}])'
    done = subprocess.run(
        [sys.executable, '-c', f'import sys; {asking}; print(code, "torch" in sys.modules)'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == '1 False' and '--accept-licence' in done.stderr


# From the hub


def test_weights_come_whole_and_are_the_networks(hub, card, weights, tmp_path, capsys):
    assert main(['models', 'get', str(card)]) == 0
    out = capsys.readouterr().out
    assert 'not verified' in out and str(tmp_path / 'cache') in out
    assert cached(tmp_path) == WHOLE
    loaded, made = load_network(load_card(str(card))).state_dict(), tiny_network().state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in made.items())
    asked = len(hub.requests)
    assert main(['models', 'get', str(card)]) == 0
    assert 'already here' in capsys.readouterr().out and len(hub.requests) == asked


def test_a_known_sha256_is_verified_and_said_so(hub, card, weights, tmp_path, capsys):
    known = weight_fetch.sha256(weights)
    change(card, weights=WeightFile('files/tiny.safetensors', known, hub='someone/tiny'))
    assert main(['models', 'get', str(card)]) == 0
    assert 'as the card says' in capsys.readouterr().out
    shutil.rmtree(tmp_path / 'cache')
    change(card, weights=WeightFile('files/tiny.safetensors', '1' * 64, hub='someone/tiny'))
    assert main(['models', 'get', str(card)]) == 1
    assert f'the card says {"1" * 64}' in capsys.readouterr().err
    assert cached(tmp_path) == []


def test_a_space_is_a_place_too(hub, card, weights, tmp_path):
    hub.files = {f'/spaces{ON_THE_HUB}': weights.read_bytes()}
    change(card, weights=WeightFile('files/tiny.safetensors', None, hub='spaces/someone/tiny'))
    assert main(['models', 'get', str(card)]) == 0
    assert cached(tmp_path) == WHOLE


def no_such_file(hub):
    hub.files.clear()
    hub.errors[ON_THE_HUB] = 'EntryNotFound'


def other_network(hub):
    other = torch.nn.Linear(2, 2)
    import safetensors.torch

    hub.files[ON_THE_HUB] = safetensors.torch.save(dict(other.state_dict()))


@pytest.mark.parametrize(
    ('break_it', 'said'),
    [
        (lambda hub: hub.files.clear(), 'no such repository on the hub, or it is private'),
        (no_such_file, 'no such file in that repository'),
        (lambda hub: hub.errors.update({ON_THE_HUB: 'GatedRepo'}), 'asks for a login and for consent on the hub'),
        (lambda hub: setattr(hub, 'wrong_hash', True), f'the hub says {"0" * 64}'),
        (lambda hub: hub.files.update({ON_THE_HUB: b'<html>busy</html>'}), 'a web page, not weights'),
        (other_network, 'made for another network'),
    ],
)
def test_what_goes_wrong_is_one_line_and_leaves_nothing(hub, card, tmp_path, capsys, break_it, said):
    break_it(hub)
    assert main(['models', 'get', str(card)]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith('depth_anything_ros: error:') and said in line
    assert cached(tmp_path) == []
    assert list((tmp_path / 'cache' / 'models' / 'tiny').iterdir()) == []


def test_without_a_network_the_error_says_so(hub, card, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('HF_ENDPOINT', 'http://127.0.0.1:9')  # nobody listens
    assert main(['models', 'get', str(card)]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert 'someone/tiny/files/tiny.safetensors did not come' in line
    assert cached(tmp_path) == []


def test_without_space_nothing_is_begun(hub, card, tmp_path, capsys, monkeypatch):
    usage = namedtuple('usage', 'total used free')(1000, 990, 10)
    monkeypatch.setattr(weight_fetch.shutil, 'disk_usage', lambda folder: usage)
    assert main(['models', 'get', str(card)]) == 1
    assert 'MB are needed there, 0 MB are free' in capsys.readouterr().err
    assert [method for method, _ in hub.requests] == ['HEAD']
    assert cached(tmp_path) == []


def heed_interrupts():
    """A shell starts what it runs in the background, such as these tests, deaf to them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_download_leaves_nothing(hub, card, tmp_path, how):
    hub.stall_after = 1000
    command = [sys.executable, '-m', 'depth_anything_ros.cli.main', 'models', 'get', str(card)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    try:
        assert hub.stalled.wait(120), 'the download did not begin'
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.splitlines()[-1] == 'depth_anything_ros: interrupted'
    assert list((tmp_path / 'cache' / 'models' / 'tiny').iterdir()) == []


def test_what_a_killed_process_left_is_swept_away(hub, card, tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    store = tmp_path / 'cache' / 'models' / 'tiny'
    for process in (dead.pid, os.getpid()):
        (store / f'.unfinished-{process}-x').mkdir(parents=True)
    assert main(['models', 'get', str(card)]) == 0
    assert [p.name for p in store.iterdir() if p.is_dir()] == [f'.unfinished-{os.getpid()}-x'], 'others may be at work'


@pytest.mark.parametrize('fields', [{'non_commercial': True}, {'licence': 'unknown: ask them'}])
def test_a_licence_to_accept_is_asked_for_before_anything_is_fetched(hub, card, tmp_path, capsys, fields):
    change(card, **fields)
    assert main(['models', 'get', str(card)]) == 1
    err = capsys.readouterr().err
    assert '--accept-licence' in err and load_card(str(card)).licence in err
    assert hub.requests == []
    assert main(['models', 'get', str(card), '--accept-licence']) == 0
    assert cached(tmp_path) == WHOLE


def test_a_fetched_file_that_was_damaged_since_is_not_called_here(hub, card, tmp_path, capsys):
    assert main(['models', 'get', str(card)]) == 0
    (tmp_path / 'cache' / WHOLE[0]).write_bytes(b'damaged')
    assert main(['models', 'get', str(card)]) == 1
    out, err = capsys.readouterr()
    assert 'already here' not in out and 'corrupt' in err and 'delete it, then fetch it again' in err


def test_a_format_that_the_card_does_not_have_is_an_error(hub, card, capsys):
    assert main(['models', 'get', str(card), '--format', 'official']) == 1
    assert 'no file of format official, only safetensors' in capsys.readouterr().err


# From a file


@pytest.mark.parametrize('link', [False, True])
def test_a_file_is_taken_after_its_keys_were_checked(hub, card, weights, tmp_path, capsys, link):
    mine = shutil.copy(weights, tmp_path / 'mine.bin')
    assert main(['models', 'add', str(mine), '--card', str(card), *(['--link'] if link else [])]) == 0
    assert weight_fetch.sha256(weights) in capsys.readouterr().out
    assert cached(tmp_path) == WHOLE
    assert (tmp_path / 'cache' / WHOLE[0]).is_symlink() == link
    load_network(load_card(str(card)))
    assert hub.requests == []


def test_a_file_that_does_not_fit_is_refused_and_not_copied(hub, card, weights, tmp_path, capsys):
    (tmp_path / 'torn.pth').write_bytes(weights.read_bytes()[:-8])
    assert main(['models', 'add', str(tmp_path / 'torn.pth'), '--card', str(card)]) == 1
    assert 'torn.pth' in capsys.readouterr().err
    assert main(['models', 'add', str(tmp_path / 'absent.pth'), '--card', str(card)]) == 1
    assert 'no such checkpoint' in capsys.readouterr().err
    assert not (tmp_path / 'cache').exists()


def test_a_file_called_like_that_of_another_card_is_refused(hub, card, weights, tmp_path, capsys):
    mine = shutil.copy(weights, tmp_path / 'depth_anything_v2_vits.pth')
    assert main(['models', 'add', str(mine), '--card', str(card)]) == 1
    assert '--card depth_anything_v2_small' in capsys.readouterr().err


def test_running_without_the_weights_says_how_to_get_them(hub, card, capsys):
    assert main(['export', str(card)]) == 1
    assert 'depth_anything_ros models get tiny' in capsys.readouterr().err
    assert hub.requests == [], 'nothing is fetched unasked'
