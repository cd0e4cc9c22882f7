# SPDX-License-Identifier: Apache-2.0
"""What a process needs around it so that images and clouds arrive: the Fast DDS profile and malloc's thresholds.

Call `prepare_middleware()` before rclpy.init(); start other processes with `middleware_environment()`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from depth_anything_ros.core.resources import resource

# Fast DDS 3 (Kilted) renamed the variable; up to Jazzy only the old name is read, and later it is read with a warning.
OLD_NAME_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')
LOCAL_DISCOVERY = ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
SEGMENT_BYTES = 71_000_000  # of shared memory that each process takes with config/fastdds.xml
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def prepare_middleware() -> str:
    """Make this process ready for large messages; returns what remains wrong, in one line, or ''.

    A process started without a Fast DDS profile gets ours, if it is called before rclpy.init(). That settles what
    this process sends; what it receives depends on the senders, hence the warning.
    """
    keep_large_buffers()
    if not uses_fast_dds(os.environ):
        return ''
    warnings = []
    if not has_transport_choice(os.environ):
        profile = str(resource('config', 'fastdds.xml'))
        os.environ[profile_variable(os.environ)] = profile
        warnings.append(
            'started without a Fast DDS profile: large messages sent best effort by other processes get lost;'
            f' start all of them with {profile_variable(os.environ)}={profile}'
        )
    free = shared_memory_free_bytes()
    if free is not None and free < SEGMENT_BYTES:
        warnings.append(
            f'{free >> 20} MB of shared memory are free, {SEGMENT_BYTES >> 20} MB are needed: large messages get lost;'
            ' start the container with --shm-size=1g or --ipc=host'
        )
    return '; '.join(warnings)


def keep_large_buffers() -> bool:
    """Let malloc keep freed megabytes for the next message; False where the C library is not glibc.

    Else every image is a fresh mmap whose pages fault one by one, which takes most of the time of receiving it.
    """
    if 'CS_GNU_LIBC_VERSION' not in getattr(os, 'confstr_names', ()):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, 256 << 20)) and bool(mallopt(M_TRIM_THRESHOLD, 512 << 20))


def middleware_environment(domain_id: int | None = None) -> dict[str, str]:
    """Environment variables for a process of this Python that talks ROS, with the Fast DDS profile set.

    A profile that the user chose stays. `domain_id`: keep to this machine, in a domain of its own (demo and tests).
    """
    env = dict(os.environ)
    if uses_fast_dds(env) and not has_transport_choice(env):
        env[profile_variable(env)] = str(resource('config', 'fastdds.xml'))
    if domain_id is not None:
        # Humble knows only the first; later distributions warn when they see it
        local = ('ROS_LOCALHOST_ONLY', '1') if env.get('ROS_DISTRO') == 'humble' else LOCAL_DISCOVERY
        env.update([local, ('ROS_DOMAIN_ID', str(domain_id))])
    return env


def foreign_environment() -> dict[str, str]:
    """Environment variables for the Python of another virtual environment.

    The ROS wheels restart Python once with their library path and remember that in _ROS_WHEELS_BOOTSTRAP_COMPLETE. A
    Python of another environment that inherited both would not restart, and load this environment's libraries.
    """
    env = {k: v for k, v in os.environ.items() if k not in ('_ROS_WHEELS_BOOTSTRAP_COMPLETE', 'VIRTUAL_ENV')}
    own = str(Path(sys.prefix, 'lib'))
    paths = [p for p in env.pop('LD_LIBRARY_PATH', '').split(os.pathsep) if p and not p.startswith(own)]
    return {**env, 'LD_LIBRARY_PATH': os.pathsep.join(paths)} if paths else env


def uses_fast_dds(env: Mapping[str, str]) -> bool:
    return 'fastrtps' in env.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')


def has_transport_choice(env: Mapping[str, str]) -> bool:
    """Whether the user has chosen profiles or transports for Fast DDS, ours or others."""
    old = env.get('ROS_DISTRO') in OLD_NAME_DISTRIBUTIONS
    chosen = [profile_variable(env), 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_BUILTIN_TRANSPORTS']
    in_folder = 'DEFAULT_FASTRTPS_PROFILES.xml' if old else 'DEFAULT_FASTDDS_PROFILES.xml'
    return any(env.get(name) for name in chosen) or Path(in_folder).is_file()


def profile_variable(env: Mapping[str, str]) -> str:
    """Name of the environment variable from which this distribution's Fast DDS reads its profiles."""
    old = env.get('ROS_DISTRO') in OLD_NAME_DISTRIBUTIONS
    return 'FASTRTPS_DEFAULT_PROFILES_FILE' if old else 'FASTDDS_DEFAULT_PROFILES_FILE'


def shared_memory_free_bytes() -> int | None:
    """Free bytes of /dev/shm, or None where there is none."""
    try:
        status = os.statvfs('/dev/shm')
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
