# SPDX-License-Identifier: Apache-2.0
"""Takes out of an exported graph what torch's exporter adds and no runtime removes. The results stay the same.

Attention comes with a mask that hides nothing and a guard against rows that are all hidden: two passes over the
largest tensors of a transformer, a sixth of its time on a CPU. The activation GELU comes in an order of factors that
the fusions of ONNX Runtime and TensorRT don't know, and then runs as five operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import MissingExtra


@dataclass(frozen=True)
class TidyReport:
    """How many guards and masks went, and how many GELUs were put in order."""

    guards: int
    masks: int
    activations: int


def tidy(model) -> TidyReport:
    """Change `model` (onnx.ModelProto in topological order, before its weights are halved) as the module says.

    Raises MissingExtra without onnx.
    """
    try:
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtra('onnx', 'onnx', 'exporting to ONNX') from error
    graph = model.graph
    tensors = {initialiser.name: initialiser for initialiser in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}

    def constant(name: str) -> np.ndarray | None:
        return numpy_helper.to_array(tensors[name]) if name in tensors else None

    def is_scalar(name: str, value: float) -> bool:
        found = constant(name)
        return found is not None and found.size == 1 and abs(float(found.ravel()[0]) - value) < 1e-6

    def maker(name: str, kind: str):
        node = made_by.get(name)
        return node if node is not None and node.op_type == kind else None

    def hides_nothing(name: str) -> bool:
        """Whether it is a mask Where(always true, 0, lowest) that is added to scores."""
        mask = maker(name, 'Where')
        if mask is None or not is_scalar(mask.input[1], 0):
            return False
        spread = maker(mask.input[0], 'Expand')
        condition = constant(spread.input[0] if spread is not None else mask.input[0])
        return condition is not None and bool(condition.all())

    instead: dict[str, str] = {}
    guards = masks = activations = 0
    for node in graph.node:
        if node.op_type == 'Where':
            guard = maker(node.input[0], 'IsNaN')
            if guard is not None and guard.input[0] == node.input[2] and is_scalar(node.input[1], 0):
                instead[node.output[0]] = node.input[2]
                guards += 1
        elif node.op_type == 'Add' and maker(node.input[0], 'MatMul') is not None and hides_nothing(node.input[1]):
            instead[node.output[0]] = node.input[0]
            masks += 1
        elif node.op_type == 'Mul':
            # x * (0.5 * (1 + erf)) -> 0.5 * (x * (1 + erf))
            share = maker(node.input[1], 'Mul')
            if share is None or not is_scalar(share.input[0], 0.5):
                continue
            raised = maker(share.input[1], 'Add')
            if raised is None or maker(raised.input[0], 'Erf') is None:
                continue
            half = share.input[0]
            share.input[:] = [node.input[0], share.input[1]]
            node.input[:] = [share.output[0], half]
            activations += 1
    _reconnect(graph, instead)
    drop_unused(graph)
    return TidyReport(guards, masks, activations)


def _reconnect(graph, instead: dict[str, str]):
    """Whoever read a key of `instead` reads its value."""

    def followed(name: str) -> str:
        while name in instead:
            name = instead[name]
        return name

    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = followed(name)


def drop_unused(graph):
    """Take out nodes and weights that no output needs."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    unused = [initialiser for initialiser in graph.initializer if initialiser.name not in needed]
    for initialiser in unused:
        graph.initializer.remove(initialiser)
