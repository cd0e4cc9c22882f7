# SPDX-License-Identifier: Apache-2.0
"""The training loop, top to bottom.

Resumable: batch k depends on the seed and k alone, and last.pt holds weights, averages, optimiser and step, so that
a killed run goes on from its last checkpoint as if it had not been killed (bit for bit on a CPU). Under torchrun
every process takes batches of its own.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.checkpoint import grow_from, save_weights
from depth_anything_ros.networks.efficientnet_lite import load_imagenet
from depth_anything_ros.networks.sparse_prompt import SparsePromptNet
from depth_anything_ros.training import losses
from depth_anything_ros.training.batches import Batch, TrainingBatches
from depth_anything_ros.training.config import LossWeights, TrainingConfig, save_config
from depth_anything_ros.training.curves import Curves
from depth_anything_ros.training.ranks import Ranks
from depth_anything_ros.training.validation import Validation, summary

LOG_STEPS = 50
EASIEST = 0.01  # in log depth: below it, samples count more and more alike, or the easiest would drown the rest
LAST, AVERAGED, CONFIG, PICTURE = 'last.pt', 'ema.safetensors', 'config.yaml', 'curves.png'


def train(config: TrainingConfig, report: Callable[[int, dict[str, float]], None] | None = None) -> Path:
    """Train, or go on with, the run in config.output -> path of the averaged weights.

    report(step, figures) is called at every log and evaluation. Raises CheckpointError when the folder holds a run
    of another network.
    """
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    ranks = Ranks(_device(config.device))
    device = ranks.device
    if config.threads:
        torch.set_num_threads(config.threads)

    torch.manual_seed(config.seed)
    network = SparsePromptNet(config.network).to(device, memory_format=torch.channels_last)
    if network.pretrained is not None:
        load_imagenet(network.pretrained)
    if config.start_from and not (output / LAST).exists():
        grow_from(network, config.start_from)
    averaged = SparsePromptNet(config.network).to(device, memory_format=torch.channels_last).requires_grad_(False)
    averaged.load_state_dict(network.state_dict())
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, weight_decay=config.weight_decay, fused=True)
    start = _resume(output / LAST, network, averaged, optimiser)
    curves = Curves(output)
    if ranks.first:
        curves.forget_after(start)
        save_config(config, output / CONFIG)

    batches = TrainingBatches(config.data, config.batch, config.steps, config.seed, ranks.rank)
    loader = DataLoader(batches, batch_size=None, sampler=range(start, config.steps), num_workers=config.workers)
    validation = Validation(config.data) if ranks.first else None

    saved_s = logged_s = time.monotonic()
    sums: dict[str, float] = {}
    summed = 0
    for step, batch in enumerate(loader, start=start + 1):
        batch = batch.to(device)
        for group in optimiser.param_groups:
            group['lr'] = learning_rate(config, step)
        parts = loss_parts(network, batch, config.losses, config.bfloat16)
        optimiser.zero_grad(set_to_none=True)
        parts['loss'].backward()
        ranks.average_gradients(trained)
        norm = torch.nn.utils.clip_grad_norm_(trained, config.clip)
        if torch.isfinite(norm):  # one freak batch must not end a run of hours
            optimiser.step()
            _average(averaged, network, min(config.ema, step / (step + 10)))

        if not ranks.first:
            continue
        for name, value in {**parts, 'gradient_norm': norm}.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        summed += 1
        if step % LOG_STEPS == 0:
            now_s = time.monotonic()
            figures = {name: value / summed for name, value in sums.items()}
            figures |= {'seconds': (now_s - logged_s) / summed, 'rate': learning_rate(config, step)}
            sums, summed, logged_s = {}, 0, now_s
            _tell(curves, report, step, figures)
        last = step == config.steps
        if (step % config.evaluate_steps == 0 or last) and validation.batches:
            figures = validation.measure(averaged, device)
            _tell(curves, report, step, {'ratio': summary(figures), **figures})
            curves.draw(output / PICTURE)
        if last or time.monotonic() - saved_s > 60 * config.checkpoint_minutes:
            _save(output, step, network, averaged, optimiser)
            saved_s = time.monotonic()
    ranks.close()
    return output / AVERAGED


def loss_parts(network: SparsePromptNet, batch: Batch, weights: LossWeights, bfloat16: bool) -> dict[str, torch.Tensor]:
    """'loss' to minimise, 'ratio' of the error to the fill's, and the parts; all means over the samples.

    Each sample counts in proportion to what the fill of its prompt gets wrong: the aim is to be so many times better
    than completion without an image, as much where that is off by a hundredth as where it is off by half.
    """
    pyramid = network.pyramid(batch.prompt_m, batch.sigma_m, batch.camera)
    with torch.autocast(batch.image.device.type, torch.bfloat16, enabled=bfloat16):
        log_depth, log_width, estimates = network.estimate(batch.image, pyramid, batch.camera)
    mask = (batch.target_m > 0).float()[:, None]
    target = torch.where(mask > 0, batch.target_m[:, None].clamp_min(1e-3).log() - pyramid.centre, 0.0)
    error = (log_depth - target) * mask
    finest = pyramid.levels[0]
    hardness = losses.fill_error([finest.fill, finest.nearest], target, mask) + EASIEST
    parts = {
        'absolute': lambda: losses.absolute(error, mask),
        'relative': lambda: losses.relative(error, mask),
        'scales': lambda: losses.at_scales(estimates, target, mask),
        'mage': lambda: losses.derivatives(error, mask, 'scharr', 1),
        'male': lambda: losses.derivatives(error, mask, 'laplace', 1),
        'msge': lambda: losses.derivatives(error, mask, 'scharr', 2),
        'shift_invariant': lambda: losses.shift_invariant(error, mask),
    }
    used = {name: part() for name, part in parts.items() if getattr(weights, name) > 0}
    loss = sum(getattr(weights, name) * (part / hardness).mean() for name, part in used.items())
    width = losses.width_quantile(error, log_width, mask, batch.beyond[:, None]).mean()
    ratio = (losses.absolute(error.detach(), mask) / hardness).mean()
    means = {name: part.detach().mean() for name, part in used.items()}
    return {'loss': loss + weights.width * width, 'ratio': ratio, **means, 'width': width.detach()}


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Warm-up, a stable phase, a cosine to zero; a run resumed with another length just starts its decay elsewhere."""
    decay_from = config.steps * (1 - config.decay_share)
    rise = min(1.0, step / max(config.warmup_steps, 1))
    fall = 0.0 if step <= decay_from else (step - decay_from) / max(config.steps - decay_from, 1)
    return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(fall, 1.0)))


@torch.no_grad()
def _average(averaged, network, decay: float):
    torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)


def _tell(curves: Curves, report, step: int, figures: dict[str, float]):
    curves.add({'step': step, **figures})
    if report is not None:
        report(step, figures)


def _save(output: Path, step: int, network, averaged, optimiser):
    unfinished = output / (LAST + '.part')
    torch.save(
        {
            'step': step,
            'network': network.state_dict(),
            'averaged': averaged.state_dict(),
            'optimiser': optimiser.state_dict(),
        },
        unfinished,
    )
    os.replace(unfinished, output / LAST)
    save_weights(averaged, output / AVERAGED, {'step': str(step)})


def _resume(path: Path, network, averaged, optimiser) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, map_location='cpu', weights_only=True)
    try:
        network.load_state_dict(state['network'])
        averaged.load_state_dict(state['averaged'])
        optimiser.load_state_dict(state['optimiser'])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f'{path}: made by another network than the configured one: {error}') from error
    return int(state['step'])


def _device(wanted: str) -> str:
    if wanted == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    return wanted
