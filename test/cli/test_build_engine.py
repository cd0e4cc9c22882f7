# SPDX-License-Identifier: Apache-2.0
import pytest

from depth_anything_ros.cli.main import main

pytest.importorskip('tensorrt_rtx', reason='TensorRT-RTX is not installed')
pytest.importorskip('onnx')


def test_builds_the_default_model_and_says_what_it_is(tmp_path, capsys):
    plan = tmp_path / 'default.plan'
    command = ['build-engine', 'prompt_depth_small', '--size', '128x160', '--tensorrt', 'tensorrt_rtx']
    assert main([*command, '--output', str(plan)]) == 0
    assert plan.is_file() and (tmp_path / 'default.plan.json').is_file()
    said = capsys.readouterr()
    assert 'fp16, 160x128, tensorrt_rtx' in said.out
    assert 'Not compared with torch' in said.err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['no_such_model'], "no model 'no_such_model'"),
        (['missing.onnx'], 'missing.onnx: not a readable ONNX graph'),
        (['prompt_depth_small', '--size', '480'], "expected HxW, 480x640 say; got '480'"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, message):
    assert main(['build-engine', *arguments, '--output', str(tmp_path / 'x.plan')]) == 1
    said = capsys.readouterr().err.strip()
    assert message in said and '\n' not in said
    assert not list(tmp_path.iterdir())
