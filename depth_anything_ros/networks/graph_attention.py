# SPDX-License-Identifier: Apache-2.0
"""Attention of an exported graph as one operation of ONNX Runtime's, which never holds the scores of all pairs.

`MultiHeadAttention` of the domain com.microsoft walks over them in blocks that stay in the processor's cache; it also
takes tokens as they come out of a linear layer, so that four transpositions a layer go. TensorRT does not know it.
"""

from __future__ import annotations

import numpy as np

DOMAIN = 'com.microsoft'
ACROSS_HEADS = [0, 2, 1, 3]  # (B, tokens, heads, width) <-> (B, heads, tokens, width)


def fuse_attention(model) -> int:
    """Change `model` (onnx.ModelProto, tidied, its weights not yet halved) -> how many attentions became one operation.

    Those whose queries, keys or values are changed after they were split into heads (rotary positions, say) stay.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    tensors = {initialiser.name: initialiser for initialiser in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def maker(name: str, kind: str):
        node = made_by.get(name)
        return node if node is not None and node.op_type == kind else None

    def constant(name: str) -> np.ndarray | None:
        return numpy_helper.to_array(tensors[name]) if name in tensors else None

    def permutation(node) -> list[int]:
        return next((list(a.ints) for a in node.attribute if a.name == 'perm'), [])

    def only_reader(name: str, kind: str):
        found = readers.get(name, [])
        return found[0] if len(found) == 1 and found[0].op_type == kind else None

    def tokens(heads_first: str) -> tuple[str, int] | None:
        """(B, heads, tokens, width) -> (name of the (B, tokens, heads x width) that it was made of, width)."""
        turned = maker(heads_first, 'Transpose')
        split = (
            maker(turned.input[0], 'Reshape') if turned is not None and permutation(turned) == ACROSS_HEADS else None
        )
        shape = constant(split.input[1]) if split is not None else None
        return None if shape is None or len(shape) != 4 or shape[3] <= 0 else (split.input[0], int(shape[3]))

    def scaled(name: str) -> tuple[str, float] | None:
        product = maker(name, 'Mul')
        factor = constant(product.input[1]) if product is not None else None
        return None if factor is None or factor.size != 1 else (product.input[0], float(factor.ravel()[0]))

    def untransposed(name: str) -> str:
        """Keys, (B, heads, width, tokens), that were transposed as a flat batch -> (B, heads, tokens, width)."""
        unflat = maker(name, 'Reshape')
        turned = maker(unflat.input[0], 'Transpose') if unflat is not None else None
        flat = maker(turned.input[0], 'Reshape') if turned is not None and permutation(turned) == [0, 2, 1] else None
        return flat.input[0] if flat is not None else ''

    def width_of(linear: str) -> int:
        """Channels of a linear layer with a bias; 0 where it is none."""
        added = maker(linear, 'Add')
        sizes = [tensors[name].dims for name in added.input if name in tensors] if added is not None else []
        return int(sizes[0][0]) if len(sizes) == 1 and len(sizes[0]) == 1 else 0

    fused = []
    for softmax in graph.node:
        if softmax.op_type != 'Softmax':
            continue
        scores = softmax.input[0]
        masked = maker(scores, 'Add')
        if masked is not None:
            mask = constant(masked.input[1])
            scores = masked.input[0] if mask is not None and not mask.any() else ''
        product, weighted = maker(scores, 'MatMul'), only_reader(softmax.output[0], 'MatMul')
        query, key = (scaled(name) for name in product.input) if product is not None else (None, None)
        joined = only_reader(weighted.output[0], 'Transpose') if weighted is not None else None
        flat = only_reader(joined.output[0], 'Reshape') if joined is not None else None
        if query is None or key is None or flat is None or permutation(joined) != ACROSS_HEADS:
            continue
        parts = [tokens(query[0]), tokens(untransposed(key[0])), tokens(weighted.input[1])]
        if None in parts or len({width for _, width in parts}) != 1:
            continue
        widths, head = {width_of(name) for name, _ in parts}, parts[0][1]
        if len(widths) != 1 or not (channels := widths.pop()) or channels % head:
            continue
        attention = helper.make_node(
            'MultiHeadAttention',
            [name for name, _ in parts],
            [flat.output[0]],
            domain=DOMAIN,
            num_heads=channels // head,
            scale=query[1] * key[1],
        )
        fused.append((flat, attention))
    for flat, attention in fused:
        graph.node.insert(list(graph.node).index(flat), attention)
        graph.node.remove(flat)
    if fused:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return len(fused)
