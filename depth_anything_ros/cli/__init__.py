# SPDX-License-Identifier: Apache-2.0
"""Room 6: thin argument shells."""
