# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros models`: what models there are, and getting their weights."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

HELP = 'List the models, tell about one, fetch its weights or take them from a file.'
EPILOG = """
Weights go to $DEPTH_ANYTHING_ROS_CACHE, or depth_anything_ros in the user's cache folder. Nothing but `get` uses the
network.

examples:
  depth_anything_ros models list
  depth_anything_ros models info depth_pro
  depth_anything_ros models get depth_anything_v2_small
  depth_anything_ros models get depth_pro --accept-licence --format huggingface
  depth_anything_ros models add ~/Downloads/depth_anything_v2_vits.pth --card depth_anything_v2_small
"""
FORMATS = ('safetensors', 'official', 'huggingface')


def add_arguments(parser) -> None:
    actions = parser.add_subparsers(dest='action', metavar='list|info|get|add', required=True)
    listing = actions.add_parser('list', help='a table of all models')
    listing.add_argument('--markdown', action='store_true', help='print docs/models.md instead')
    info = actions.add_parser('info', help='everything that the card of a model says')
    info.add_argument('model', metavar='NAME', help='name of a model, or the path of a card')
    get = actions.add_parser('get', help='download the weights of a model from the Hugging Face hub')
    get.add_argument('model', metavar='NAME', help='name of a model, or the path of a card')
    get.add_argument('--format', choices=FORMATS, help='which file, where the card has several (default: the first)')
    add = actions.add_parser('add', help='take the weights of a model from a file')
    add.add_argument('file', type=Path, metavar='FILE')
    add.add_argument('--card', required=True, metavar='NAME', help='name of the model, or the path of its card')
    add.add_argument('--link', action='store_true', help='link to the file where it is instead of copying it')
    for action in (get, add):
        action.add_argument(
            '--accept-licence', action='store_true', help='you have read a licence that forbids commercial use, say'
        )


def run(args) -> int:
    return {'list': _list, 'info': _info, 'get': _get, 'add': _add}[args.action](args)


def _list(args) -> int:
    from depth_anything_ros.cli.models_table import markdown, table
    from depth_anything_ros.networks.card import known_models, load_card

    cards = [load_card(name) for name in known_models()]
    if args.markdown:
        print(markdown(cards), end='')
    else:
        _print(table(cards))
    return 0


def _info(args) -> int:
    from depth_anything_ros.cli.models_table import details
    from depth_anything_ros.networks.card import load_card

    _print(details(load_card(args.model)))
    return 0


def _get(args) -> int:
    from depth_anything_ros.core.errors import CheckpointError
    from depth_anything_ros.networks.card import load_card
    from depth_anything_ros.networks.weight_store import check_consent, verified_path

    card = load_card(args.model)
    source = next((s for s in card.sources if args.format in (None, s.format)), None)
    if source is None:
        formats = ', '.join(s.format for s in card.sources)
        raise CheckpointError(f'{card.name}: its card has no file of format {args.format}, only {formats}')
    check_consent(card, args.accept_licence)
    if card.path_of(source).is_file():
        print(f'{verified_path(card, source)}: already here')
        return 0
    fetch, _ = _weights()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    _report(card, source, fetch(card, source))
    return 0


def _add(args) -> int:
    from depth_anything_ros.networks.card import load_card
    from depth_anything_ros.networks.weight_store import check_consent

    card = load_card(args.card)
    check_consent(card, args.accept_licence)
    _, adopt = _weights()
    path = adopt(args.file, card, args.link)
    source = next(s for s in card.sources if card.path_of(s) == path)
    _report(card, source, path)
    return 0


def _weights():
    from depth_anything_ros.core.errors import MissingExtra

    try:
        from depth_anything_ros.networks.weight_fetch import adopt, fetch
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or 'torch', 'torch', 'checking weights') from error
    return fetch, adopt


def _report(card, source, path: Path) -> None:
    from depth_anything_ros.networks.weight_store import recorded_sha256

    known = 'as the card says' if source.sha256 else 'not verified: nobody has published it; keys and shapes fit'
    print(f'{path}: weights of {card.name}; sha256 {recorded_sha256(path)} ({known})')


def _print(what) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 180).print(what)
