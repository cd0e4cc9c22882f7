# SPDX-License-Identifier: Apache-2.0
"""MuJoCo, imported where used: with a renderer that needs no display."""

from __future__ import annotations

import os
from functools import lru_cache

from depth_anything_ros.core.errors import EngineError, MissingExtra

RENDERERS = ('egl', 'osmesa')  # EGL: a GPU's or Mesa's; OSMesa: in software, slower


@lru_cache(maxsize=1)
def mujoco():
    """The module. MUJOCO_GL chooses the renderer (egl, osmesa); unset: egl. Raises MissingExtra, EngineError."""
    os.environ.setdefault('MUJOCO_GL', RENDERERS[0])
    try:
        import mujoco as module
    except ModuleNotFoundError as error:
        raise MissingExtra('mujoco', 'sim', 'the grasp benchmark') from error
    except (ImportError, AttributeError, OSError, RuntimeError) as error:  # PyOpenGL has a word of its own for each
        raise _no_renderer(error) from error
    return module


def gl_context(width: int, height: int):
    """An off-screen OpenGL context, current in this thread. Raises EngineError where there is no renderer."""
    try:
        context = mujoco().GLContext(width, height)
        context.make_current()
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        raise _no_renderer(error) from error
    return context


def _no_renderer(error: Exception) -> EngineError:
    return EngineError(
        f'MuJoCo can open no off-screen renderer (MUJOCO_GL={os.environ.get("MUJOCO_GL")}): {error}; install'
        f' libegl1 and libgl1-mesa-dri, or libosmesa6 with MUJOCO_GL={RENDERERS[1]}'
    )
