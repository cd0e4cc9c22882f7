# SPDX-License-Identifier: Apache-2.0
"""Several training processes as one: started by torchrun, each with its own batches, their gradients averaged.

On a busy CPU one single-threaded process per core trains several times faster than one process with a thread per
core, as its threads would wait for each other after every operation instead of once a step.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


class Ranks:
    """rank 0 writes; count 1 outside torchrun."""

    def __init__(self, device: str):
        self.count = int(os.environ.get('WORLD_SIZE', '1'))
        self.rank = int(os.environ.get('RANK', '0'))
        self.device = f'cuda:{os.environ.get("LOCAL_RANK", "0")}' if device == 'cuda' else device
        if self.count > 1:
            dist.init_process_group('nccl' if device == 'cuda' else 'gloo')

    @property
    def first(self) -> bool:
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[Tensor]):
        """Replace every gradient by its mean over all processes; one message for all of them."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def close(self):
        if self.count > 1:
            dist.destroy_process_group()
