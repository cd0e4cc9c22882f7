#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The picture of the README: `make demo`, then `python tools/demo_picture.py` writes docs/demo.jpg from out/."""

from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PICTURES = (
    (('image', 'image'), ('prompt', '16-line LiDAR prompt'), ('nearest_return', 'nearest return')),
    (('depth', 'depth of the node'), ('truth', 'truth'), ('error', 'error: green 0, red 25 %')),
)
WIDTH, HEIGHT, CAPTION = 480, 360, 30


def tile(name: str, caption: str) -> np.ndarray:
    path = ROOT / 'out' / f'room_{name}.jpg'
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f'{path}: no such picture; run make demo first')
    below = np.full((CAPTION, WIDTH, 3), (26, 24, 24), np.uint8)
    cv2.putText(below, caption, (10, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (235, 235, 235), 1, cv2.LINE_AA)
    return np.vstack([cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), below])


rows = [np.hstack([tile(*item) for item in row]) for row in PICTURES]
cv2.imwrite(str(ROOT / 'docs' / 'demo.jpg'), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])
