# SPDX-License-Identifier: Apache-2.0
"""Public data sets as training frames: one file per layout, `catalogue.open_layout` opens any of them."""
