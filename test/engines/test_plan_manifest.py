# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import pytest

from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.engines.plan_manifest import (
    Machine,
    PlanManifest,
    PlanParity,
    manifest_path,
    read_manifest,
    sha256,
    write_manifest,
)

HERE = Machine('tensorrt', '10.16.0', '13.0', 'NVIDIA H100', '9.0')


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / 'model.plan'
    path.write_bytes(b'an engine')
    return path


@pytest.fixture
def manifest(plan):
    made = PlanManifest(
        'small',
        'graph',
        sha256(plan),
        HERE,
        'fp16',
        {'image': (1, 480, 640, 3)},
        ('head.*',),
        PlanParity(0.001, 0.002, 8, 'torch 2.13.0'),
    )
    write_manifest(made, plan)
    return made


def test_comes_back_as_it_was_written(plan, manifest):
    assert read_manifest(plan) == manifest


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'tensorrt_version': '10.17.1'}, 'made by tensorrt 10.16.0, here is 10.17.1'),
        ({'flavour': 'tensorrt_rtx'}, 'made by tensorrt, here is tensorrt_rtx'),
        ({'gpu_name': 'Orin', 'compute_capability': '8.7'}, r'made for NVIDIA H100 .*here is Orin \(8.7\)'),
        ({'cuda_version': '12.8'}, 'made with CUDA 13.0, here is 12.8'),
    ],
)
def test_another_machine_is_a_reason_to_rebuild(manifest, change, reason):
    import re

    said = manifest.reason_to_rebuild('graph', dataclasses.replace(HERE, **change), portable=False)
    assert re.search(reason, said)


def test_another_graph_is_a_reason_and_the_same_is_none(manifest):
    assert 'another ONNX graph' in manifest.reason_to_rebuild('other', HERE, portable=False)
    assert manifest.reason_to_rebuild('graph', HERE, portable=False) is None


def test_a_portable_engine_runs_on_another_gpu(manifest):
    other = dataclasses.replace(HERE, gpu_name='RTX 5090', compute_capability='12.0')
    assert manifest.reason_to_rebuild('graph', other, portable=True) is None


def test_a_truncated_engine_is_told(plan, manifest):
    plan.write_bytes(b'an eng')
    with pytest.raises(EngineError, match='truncated or not the engine of its manifest'):
        read_manifest(plan)


def test_an_engine_without_manifest_is_refused(plan):
    with pytest.raises(EngineError, match=r'no manifest model\.plan\.json beside it'):
        read_manifest(plan)


@pytest.mark.parametrize('content', ['', '{', '[]', '{"model": "x"}', '\x00\xff'])
def test_an_unreadable_manifest_is_one_clear_line(plan, content):
    manifest_path(plan).write_text(content)
    with pytest.raises(EngineError, match='not a readable engine manifest'):
        read_manifest(plan)


def test_an_unknown_field_is_told(plan, manifest):
    path = manifest_path(plan)
    path.write_text(json.dumps(json.loads(path.read_text()) | {'extra': 1}))
    with pytest.raises(EngineError, match='extra'):
        read_manifest(plan)
