# SPDX-License-Identifier: Apache-2.0
"""ROS parameters from a settings dataclass: declared by walking it, checked by it, applied as a whole.

A list without elements can't be written in a ROS parameter (YAML's [] has no type there): an empty list of strings
is the list of one empty string on the ROS side, and [] in the settings.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import Field
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.parameter import Parameter

from depth_anything_ros.core.errors import ConfigError, DepthError
from depth_anything_ros.core.settings import check, replaced, walk

Config = TypeVar('Config')

# parameters that rclpy or rcl declare on their own, at start or later
NOT_OURS = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')


class Parameters(Generic[Config]):
    """The parameters of a node and the frozen settings they amount to.

    on_change(new_config): called with the whole new settings before they become `.config`; raising a DepthError
    rejects the change with its message. Raises ConfigError on a value or a name in the node's YAML or command line
    that the settings don't know. Parameters that must change together are set atomically.
    """

    def __init__(self, node, config: Config, on_change: Callable[[Config], None] = lambda config: None):
        self._fields = {name: (field, value) for name, field, value in walk(config)}
        given = overrides(node)
        _refuse_unknown(node, given, self._fields)
        self.config: Config = replaced(
            config, {name: _to_setting(name, *self._fields[name], value) for name, value in given.items()}
        )
        for name, field, value in walk(self.config):
            descriptor = _descriptor(field, self._fields[name][1])
            # the override is in `value` already, with its type put right
            node.declare_parameter(name, _to_parameter(value), descriptor, ignore_override=True)
        self._on_change = on_change
        if hasattr(node, 'add_pre_set_parameters_callback'):  # not in Humble: 1 for 1.0 is rejected there
            node.add_pre_set_parameters_callback(self._with_types)
        node.add_on_set_parameters_callback(self._apply)

    def _with_types(self, parameters: list[Parameter]) -> list[Parameter]:
        """`ros2 param set ... 1` means 1.0 where the setting is a float."""
        typed = []
        for parameter in parameters:
            _, default = self._fields.get(parameter.name, (None, None))
            if isinstance(default, float) and parameter.type_ == Parameter.Type.INTEGER:
                parameter = Parameter(parameter.name, value=float(parameter.value))
            elif _of_floats(default) and parameter.type_ == Parameter.Type.INTEGER_ARRAY:
                parameter = Parameter(parameter.name, value=[float(value) for value in parameter.value])
            typed.append(parameter)
        return typed

    def _apply(self, parameters: Iterable[Parameter]) -> SetParametersResult:
        try:
            values = {
                p.name: _to_setting(p.name, *self._fields[p.name], p.value)
                for p in parameters
                if p.name in self._fields
            }
            if values:
                config = replaced(self.config, values)
                self._on_change(config)
                self.config = config
        except DepthError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)


def overrides(node) -> dict[str, Any]:
    """What YAML, command line and launch gave to this node, as name -> value, declared or not, less rclpy's own."""
    # rclpy has no public way to see overrides that nobody declared, and those are the misspelt ones
    given = node._parameter_overrides
    return {name: parameter.value for name, parameter in given.items() if not name.startswith(NOT_OURS)}


def _refuse_unknown(node, given: Iterable[str], known: Iterable[str]) -> None:
    known, unknown = list(known), []
    for name in given:
        if name not in known and not node.has_parameter(name):
            # a right name at the wrong place is as common as a typing error
            last = name.rpartition('.')[2]
            near = [k for k in known if k.rpartition('.')[2] == last] or difflib.get_close_matches(name, known, n=3)
            unknown.append(f'{name!r}' + (f' (did you mean {", ".join(near)}?)' if near else ''))
    if unknown:
        raise ConfigError(
            f'{node.get_fully_qualified_name()}: unknown parameter{"s" if len(unknown) > 1 else ""} '
            f'{", ".join(unknown)}; `ros2 param list` and config/ have all names'
        )


def _of_floats(default: Any) -> bool:
    return isinstance(default, (list, tuple)) and bool(default) and isinstance(default[0], float)


def _to_parameter(value: Any) -> Any:
    return [''] if isinstance(value, (list, tuple)) and len(value) == 0 else value


def _to_setting(name: str, field: Field, default: Any, value: Any) -> Any:
    """The value as the settings want it; raises ConfigError where type, range or choices don't fit."""
    if isinstance(default, (list, tuple)):
        inner = default[0] if default else ''
        if not isinstance(value, (list, tuple)) and not hasattr(value, 'tolist'):
            raise ConfigError(f'{name}: expected a list of {type(inner).__name__}, got {value!r}')
        if isinstance(inner, str) and list(value) == ['']:
            value = []
        values = [_scalar(f'{name}[{i}]', inner, element) for i, element in enumerate(value)]
        return tuple(values) if isinstance(default, tuple) else values
    value = _scalar(name, default, value)
    if field.metadata:
        try:
            check(field, value)
        except ConfigError as error:  # it knows the last part of the name only
            raise ConfigError(f'{name.rpartition(".")[0]}.{error}' if '.' in name else str(error)) from None
    return value


def _scalar(name: str, default: Any, value: Any) -> Any:
    expected = type(default)
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise ConfigError(f'{name}: expected {expected.__name__}, got {value!r} ({type(value).__name__})')
    return value


def _descriptor(field: Field, default: Any) -> ParameterDescriptor:
    meta = field.metadata or {
        'description': '',
        'unit': '',
        'low': None,
        'high': None,
        'choices': (),
        'read_only': False,
    }
    unit = f' [{meta["unit"]}]' if meta['unit'] else ''
    descriptor = ParameterDescriptor(description=f'{meta["description"]}{unit}', read_only=meta['read_only'])
    if meta['choices']:
        descriptor.additional_constraints = f'one of {", ".join(meta["choices"])}'
    low, high = meta['low'], meta['high']
    if low is None and high is None:
        return descriptor
    if isinstance(default, float):
        span = FloatingPointRange(
            from_value=-math.inf if low is None else float(low), to_value=math.inf if high is None else float(high)
        )
        descriptor.floating_point_range = [span]
    elif isinstance(default, int):
        span = IntegerRange(
            from_value=-(2**63) if low is None else math.ceil(low), to_value=2**63 - 1 if high is None else int(high)
        )
        descriptor.integer_range = [span]
    return descriptor
