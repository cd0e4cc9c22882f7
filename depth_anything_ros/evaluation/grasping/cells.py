# SPDX-License-Identifier: Apache-2.0
"""What is compared: materials and distances make the cells of the table, ways to get depth its columns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

DIFFUSE, TRANSPARENT, SPECULAR = 'diffuse', 'transparent', 'specular'
MATERIALS = (DIFFUSE, TRANSPARENT, SPECULAR)
DISTANCES_M = {'near': 0.5, 'middle': 0.8, 'far': 1.2}  # camera to object, as wrist and table-top cameras stand
TRUTH, OURS, RETURNS, NEAREST, UNPROMPTED = 'true depth', 'ours', 'raw returns', 'nearest fill', 'ours, no prompt'
SOURCES = {
    TRUTH: 'exact depth of the true surfaces: what planner, gripper and physics can reach',
    OURS: 'the network given the image and the returns, through the same DepthEstimator as depth_node',
    RETURNS: "the ranger's returns themselves, as points",
    NEAREST: 'every pixel has the depth of the nearest return',
    UNPROMPTED: 'the network given the image alone',
}
NETWORK_SOURCES = (OURS, UNPROMPTED)  # whose results change with the model

LIFTED = 'lifted'
NO_GRASP, COLLISION, NOTHING_BETWEEN, SLIPPED = (
    'no grasp planned', 'collision at approach', 'nothing between the fingers', 'slipped',
)  # fmt: skip
FAILURES = (NO_GRASP, COLLISION, NOTHING_BETWEEN, SLIPPED)


@dataclass(frozen=True)
class Cell:
    """One cell of the table. distance: a key of DISTANCES_M."""

    material: str
    distance: str

    @property
    def distance_m(self) -> float:
        return DISTANCES_M[self.distance]

    @property
    def name(self) -> str:
        return f'{self.material} {self.distance}'


CELLS = tuple(Cell(material, distance) for material, distance in product(MATERIALS, DISTANCES_M))
