# SPDX-License-Identifier: Apache-2.0
"""Parameters: declared from settings, rejected with the reason, applied as a whole; unknown names are errors."""

from dataclasses import dataclass, field

import pytest

from depth_anything_ros.core.errors import ConfigError, EngineError
from depth_anything_ros.core.settings import setting, validate

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from depth_anything_ros.ros.parameters import Parameters, overrides


@dataclass(frozen=True)
class RangeConfig:
    near_m: float = setting(0.5, 'nearest depth', unit='m', low=0.0)
    far_m: float = setting(80.0, 'farthest depth', unit='m', low=0.0, high=1000.0)

    def __post_init__(self):
        validate(self)
        if self.near_m >= self.far_m:
            raise ConfigError(f'range: near_m {self.near_m} must be less than far_m {self.far_m}')


@dataclass(frozen=True)
class NodeConfig:
    model: str = setting('small', 'model card', read_only=True)
    encoding: str = setting('32FC1', 'of the depth', choices=('32FC1', '16UC1'))
    sweeps: int = setting(1, 'sweeps put together', low=1, high=10)
    rectified: bool = setting(False, 'the image is rectified')
    topics: list[str] = setting(['points'], 'of LiDARs')
    radars: list[str] = setting([], 'of radars', read_only=True)
    weights: list[float] = setting([1.0, 2.0], 'of the losses')
    range: RangeConfig = field(default_factory=RangeConfig)


def set_all(node, **values):
    return node.set_parameters_atomically(
        [Parameter(name.replace('__', '.'), value=value) for name, value in values.items()]
    )


def test_every_setting_is_declared_with_its_default_description_and_range(ros_node):
    parameters = Parameters(ros_node, NodeConfig())
    assert parameters.config == NodeConfig()
    assert ros_node.get_parameter('range.far_m').value == 80.0
    far = ros_node.describe_parameter('range.far_m')
    assert far.description == 'farthest depth [m]'
    assert (far.floating_point_range[0].from_value, far.floating_point_range[0].to_value) == (0.0, 1000.0)
    sweeps = ros_node.describe_parameter('sweeps').integer_range[0]
    assert (sweeps.from_value, sweeps.to_value) == (1, 10)
    assert ros_node.describe_parameter('model').read_only
    assert ros_node.describe_parameter('encoding').additional_constraints == 'one of 32FC1, 16UC1'


def test_a_lifecycle_node_does_as_well(ros):
    node = ros.node('managed', kind=LifecycleNode)
    assert Parameters(node, NodeConfig()).config.sweeps == 1


def test_the_command_line_wins_over_the_default_and_whole_numbers_are_floats(ros):
    node = ros.node(
        'n', arguments=('-p', 'range.far_m:=100', '-p', 'model:=large', '-p', 'topics:=[a, b]', '-p', 'weights:=[3, 4]')
    )
    config = Parameters(node, NodeConfig()).config
    assert (config.range.far_m, config.model, config.topics) == (100.0, 'large', ['a', 'b'])
    assert config.weights == [3.0, 4.0]
    assert isinstance(node.get_parameter('range.far_m').value, float)


def test_a_yaml_file_is_read(ros, tmp_path):
    path = tmp_path / 'params.yaml'
    path.write_text('/**:\n  ros__parameters:\n    sweeps: 3\n    radars: [front, rear]\n    range: {near_m: 1}\n')
    config = Parameters(ros.node('n', arguments=('--params-file', str(path))), NodeConfig()).config
    assert (config.sweeps, config.radars, config.range.near_m) == (3, ['front', 'rear'], 1.0)


def test_an_unknown_name_is_an_error_that_lists_the_nearest(ros):
    node = ros.node('n', arguments=('-p', 'range.far:=5.0', '-p', 'near_m:=1.0'))
    with pytest.raises(
        ConfigError, match=r"'range\.far' \(did you mean range\.far_m.*'near_m' \(did you mean range\.near"
    ):
        Parameters(node, NodeConfig())


def test_parameters_of_ros_itself_are_no_unknown_names(ros):
    node = ros.node(
        'n', arguments=('-p', 'use_sim_time:=true', '-p', 'qos_overrides./a.subscription.reliability:=reliable')
    )
    assert Parameters(node, NodeConfig()).config == NodeConfig()
    assert overrides(node) == {}


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('range.far_m:=-1.0', r'range\.far_m: expected 0\.0 to 1000\.0 m; got -1\.0'),
        ('sweeps:=11', 'sweeps: expected 1 to 10'),
        ('sweeps:=1.5', r'sweeps: expected int, got 1\.5'),
        ('encoding:=mono8', 'encoding: expected one of 32FC1, 16UC1'),
        ('rectified:=1', 'rectified: expected bool'),
        ('topics:=points', 'topics: expected a list of str'),
        ('range.near_m:=90.0', 'near_m 90.0 must be less than far_m 80.0'),
        ('range.far_m:=.nan', 'far_m'),
    ],
)
def test_a_bad_value_at_start_is_an_error_that_names_the_parameter(ros, argument, message):
    with pytest.raises(ConfigError, match=message):
        Parameters(ros.node('n', arguments=('-p', argument)), NodeConfig())


def test_a_change_reaches_the_node_as_whole_settings(ros_node):
    seen = []
    parameters = Parameters(ros_node, NodeConfig(), seen.append)
    assert set_all(ros_node, range__near_m=90.0, range__far_m=100.0).successful  # neither fits alone
    assert [(c.range.near_m, c.range.far_m) for c in seen] == [(90.0, 100.0)]
    assert parameters.config is seen[0]


def test_a_whole_number_for_a_float_is_taken_at_run_time(ros_node):
    if not hasattr(ros_node, 'add_pre_set_parameters_callback'):
        pytest.skip('this rclpy has no pre-set callbacks')
    parameters = Parameters(ros_node, NodeConfig())
    assert set_all(ros_node, range__far_m=50).successful
    assert parameters.config.range.far_m == 50.0 and isinstance(parameters.config.range.far_m, float)
    assert isinstance(ros_node.get_parameter('range.far_m').value, float)


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'range__near_m': 90.0}, 'must be less than'),
        ({'encoding': 'mono8'}, 'expected one of'),
        ({'sweeps': 11}, 'range'),
        ({'model': 'large'}, 'read-only'),
        ({'rectified': 'yes'}, 'type'),
    ],
)
def test_a_bad_change_is_rejected_with_the_reason_and_changes_nothing(ros_node, values, reason):
    seen = []
    parameters = Parameters(ros_node, NodeConfig(), seen.append)
    result = set_all(ros_node, **values)
    assert not result.successful and reason in result.reason
    assert parameters.config == NodeConfig() and not seen
    name = next(iter(values)).replace('__', '.')
    assert ros_node.get_parameter(name).value == dict(_defaults())[name]


def _defaults():
    from depth_anything_ros.core.settings import walk

    return ((name, value) for name, _, value in walk(NodeConfig()))


def test_a_change_the_node_can_not_follow_is_rejected_with_its_reason(ros_node):
    def refuse(config):
        raise EngineError('no engine for that here')

    parameters = Parameters(ros_node, NodeConfig(), refuse)
    result = set_all(ros_node, sweeps=2)
    assert not result.successful and result.reason == 'no engine for that here'
    assert parameters.config.sweeps == 1 and ros_node.get_parameter('sweeps').value == 1


def test_an_empty_list_is_an_empty_list(ros_node):
    parameters = Parameters(ros_node, NodeConfig())
    assert parameters.config.radars == []
    assert ros_node.get_parameter('radars').value == ['']
    assert set_all(ros_node, topics=['']).successful
    assert parameters.config.topics == []


def test_a_change_through_the_parameter_service_is_answered_with_the_reason(ros, ros_node):
    from rcl_interfaces.srv import SetParameters

    parameters = Parameters(ros_node, NodeConfig())
    client_node = ros.node('client')
    client = client_node.create_client(SetParameters, '/under_test/set_parameters')
    assert ros.spin_until(client.service_is_ready)
    messages = [Parameter('range.far_m', value=40).to_parameter_msg(), Parameter('sweeps', value=0).to_parameter_msg()]
    future = client.call_async(SetParameters.Request(parameters=messages))
    assert ros.spin_until(future.done)
    good, bad = future.result().results
    assert good.successful and parameters.config.range.far_m == 40.0
    assert not bad.successful and 'sweeps' in bad.reason
