# SPDX-License-Identifier: Apache-2.0
"""Room 2: run a network with torch or ONNX Runtime, or complete the prompt without one."""
