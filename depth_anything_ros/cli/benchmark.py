# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark WHAT`: what it costs on this machine; the modules benchmark_<what> do the work."""

from __future__ import annotations

import argparse
import importlib
import textwrap

HELP = 'Time the frame path (without WHAT), mapping, engines, the whole node under load, or its memory over time.'
EPILOG = """
examples:
  depth_anything_ros benchmark --output frame.json --plot frame.png
  depth_anything_ros benchmark load classical prompt_depth_small:onnx --plot load.png
  depth_anything_ros benchmark soak --frames 21600

depth_anything_ros benchmark WHAT --help shows the arguments of each.
"""
WHATS = ('frame', 'mapping', 'engines', 'load', 'soak')
DEFAULT = 'frame'


def add_arguments(parser) -> None:
    modules = {what: _module(what) for what in WHATS}
    modules[DEFAULT].add_arguments(parser)
    whats = parser.add_subparsers(dest='what', metavar='WHAT')
    for what, module in modules.items():
        own = whats.add_parser(
            what,
            help=module.HELP,
            description=module.HELP,
            epilog=textwrap.dedent(getattr(module, 'EPILOG', '')).strip('\n'),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(own)
        own.add_argument('--debug', action='store_true', default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args) -> int:
    return _module(args.what or DEFAULT).run(args)


def _module(what: str):
    return importlib.import_module(f'depth_anything_ros.cli.benchmark_{what}')
