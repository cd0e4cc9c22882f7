# SPDX-License-Identifier: Apache-2.0
"""Model cards as a table, as one page and as docs/models.md."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from depth_anything_ros.networks.card_schema import ModelCard, WeightFile
from depth_anything_ros.networks.weight_store import recorded_sha256

SYSTEM, LICENCE = 'system', 'licence of the weights'
HEADINGS = ('model', SYSTEM, 'M parameters', 'size', LICENCE, 'prompt', 'gives')
RIGHT = ('M parameters', 'size')
LEFT_OUT = (SYSTEM, 'M parameters')  # of a terminal's width: the name and the size say it
BYTES_A_WEIGHT = 4  # float32, as most are published
NOT_KNOWN = 'not known'

MARKDOWN_HEAD = """# Models

Made by `depth_anything_ros models list --markdown > docs/models.md` from the cards in `models/`.

`depth_anything_ros models get NAME` fetches weights (`pip install 'depth_anything_ros[hub]'`), `models add FILE --card
NAME` takes a file that you have, `--model NAME` uses it. Nothing is ever downloaded at run time. **NC**: the licence
forbids commercial use, or states that do contradict each other; *unknown*: nobody could tell. Both ask for
`--accept-licence`. Sizes with ≈ are those of the parameters in float32.

"""
MARKDOWN_FOOT = """
Prompt: *sparse* takes bare returns; *dense* is given the returns filled; *none*: the pipeline aligns the output to the
returns. Disparity is up to scale and shift, and needs them. Canonical depth becomes metres with the focal length.

## Where the facts come from

Cards hold what the authors published, and null for what was not found. Where an official sha256 is not known, `get`
checks the file against the hub's own hash and, like `add`, every key and shape against the network; the sha256 found is
kept beside the file and checked whenever it is loaded. Networks of one size of Depth Anything V1 and V2 have the same
keys and shapes: apart from the file's name nothing tells their weights apart.

A checkpoint may hold tensors only: pickles that want more are refused (`weights_only=True`).

## Your own weights

1. Copy the card in `models/` that is nearest into a folder of your own and give it a `name`.
2. Set `network` (one of `networks/registry.py`) and `network_config` (fields of that network's config class).
3. Under `weights`: `file` beside the card, its `sha256` (`sha256sum FILE`) and `format`: `official` or `huggingface`
   for the key names of those files, `safetensors` for the network's own. `prefix` is what may stand before every key,
   `strip_characters` how many more characters to cut off. With `hub: owner/name` the file comes from there instead.
4. Say what it is: `licence`, `non_commercial`, `output_space`, `metric`, `prompt`, `camera`, `needs_focal`,
   `training_data`, and `relative_sigma` with its source if the network gives no sigma and you have measured one.
   `largest_px` (width times height) has larger images shrunk first, for a network that is best at about that size.
5. `depth_anything_ros models add FILE --card my_model.yaml` checks it; `--model my_model.yaml` runs it.

A wrong or unknown field is an error that names it; so are missing and unexpected keys of the checkpoint.
"""


def table(cards: Sequence[ModelCard]) -> Table:
    """For the terminal; non-commercial licences are red."""
    shown = Table(title='models', title_justify='left', title_style='bold', box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in (*HEADINGS, 'here'):
        if heading not in LEFT_OUT:
            justify = 'right' if heading in RIGHT else 'left'
            shown.add_column(heading.split()[0], justify=justify, overflow='fold', no_wrap=heading == HEADINGS[0])
    for card in cards:
        cells = dict(zip(HEADINGS, map(Text, _cells(card)), strict=True))
        cells[LICENCE] = Text(re.split(r'[:;] | \(', card.licence)[0], style=_colour(card))
        shown.add_row(*(cells[h] for h in HEADINGS if h not in LEFT_OUT), 'yes' if _present(card) else '-')
    shown.caption = 'red: no commercial use; yellow: licence not known; both need --accept-licence'
    return shown


def markdown(cards: Sequence[ModelCard]) -> str:
    """docs/models.md as it should read."""
    rows = [HEADINGS, tuple('---:' if heading in RIGHT else '---' for heading in HEADINGS)]
    for card in cards:
        cells = list(_cells(card))
        cells[0] = f'`{cells[0]}`'
        if card.non_commercial:
            cells[HEADINGS.index(LICENCE)] += ' (**NC**)'
        rows.append(tuple(cells))
    lines = ['| ' + ' | '.join(row) + ' |' for row in rows]
    return MARKDOWN_HEAD + '\n'.join(lines) + '\n' + MARKDOWN_FOOT


def details(card: ModelCard) -> Table:
    """Every field of a card that says something."""
    shown = Table(show_header=False, box=None, title=card.name, title_justify='left', title_style='bold')
    shown.add_column(style='cyan', no_wrap=True)
    shown.add_column(overflow='fold')
    licence = Text(card.licence + (' (no commercial use)' if card.non_commercial else ''), style=_colour(card))
    rows = {
        'system': card.system,
        'description': card.description,
        'repository': card.repository,
        'paper': card.paper,
        LICENCE: licence,
        'licence of the code': card.code_licence,
        'network': f'{card.network} {_flat(card.network_config)}',
        'parameters': NOT_KNOWN if card.parameters_m is None else f'{card.parameters_m:g} M',
        'gives': _gives(card) + ('' if card.max_depth_m is None else f', up to {card.max_depth_m:g} m'),
        'needs a focal length': 'yes' if card.needs_focal else 'no',
        'prompt': card.prompt,
        'camera': card.camera,
        'typical relative error': _relative_sigma(card),
        'preprocessing': _lines(card.preprocessing),
        'inputs': _lines(card.inputs),
        'outputs': _lines(card.outputs),
        'training data': '\n'.join(f'{data.name}: {data.amount} ({data.licence})' for data in card.training_data),
        'training': card.training_notes,
        'limits': card.limits,
        'measured by': card.measured_by,
    }
    for name, value in rows.items():
        if value:
            shown.add_row(name, value if isinstance(value, Text) else Text(value))
    for source in card.sources:
        shown.add_row('weights', Text(_source(card, source)))
    if card.onnx is not None:
        shown.add_row('graph', Text(_source(card, card.onnx)))
    return shown


def _cells(card: ModelCard) -> tuple[str, ...]:
    return (
        card.name,
        card.system,
        NOT_KNOWN if card.parameters_m is None else f'{card.parameters_m:g}',
        _size(card, card.weights),
        card.licence,
        card.prompt,
        _gives(card),
    )


def _gives(card: ModelCard) -> str:
    where = ', panorama' if card.camera == 'equirectangular' else ''
    return card.output_space + where


def _size(card: ModelCard, source: WeightFile) -> str:
    beside = card.folder / source.file
    if source.hub is None and beside.is_file():
        return f'{beside.stat().st_size / 1e6:.0f} MB'
    if source.size_mb is not None:
        return f'{source.size_mb:.0f} MB'
    return NOT_KNOWN if card.parameters_m is None else f'≈{BYTES_A_WEIGHT * card.parameters_m:.0f} MB'


def _source(card: ModelCard, source: WeightFile) -> str:
    path = card.path_of(source)
    known = source.sha256 or recorded_sha256(path)
    digest = (
        f'sha256 {source.sha256}' if source.sha256 else f'sha256 not verified{f" (here: {known})" if known else ""}'
    )
    where = source.hub or 'beside the card'
    here = str(path) if path.is_file() else 'not here'
    return f'{source.file} ({source.format}, {where}, {_size(card, source)})\n{digest}\n{here}'


def _relative_sigma(card: ModelCard) -> str:
    if card.relative_sigma is None:
        return ''
    return f'{card.relative_sigma:g} ({card.relative_sigma_source})'


def _present(card: ModelCard) -> bool:
    return any(card.path_of(source).is_file() for source in card.sources)


def _colour(card: ModelCard) -> str:
    if card.non_commercial:
        return 'red'
    return 'yellow' if card.asks_consent else ''


def _flat(values: dict) -> str:
    return ', '.join(f'{name}={value}' for name, value in values.items())


def _lines(values: dict) -> str:
    return '\n'.join(f'{name}: {value}' for name, value in values.items())
