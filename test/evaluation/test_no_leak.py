# SPDX-License-Identifier: Apache-2.0
"""No frame that scores is ever trained on."""

import numpy as np

from depth_anything_ros.evaluation.cases import load_cases
from depth_anything_ros.training.shards import read_rgbd_folder, split_tenth

KINECT = (525.0, 525.0, 319.5, 239.5)


def test_the_scored_table_top_frames_are_those_that_training_leaves_out(shared_data, tmp_path):
    folder = shared_data('pcl_mosd_rgbd')
    training, held_out = split_tenth(read_rgbd_folder(folder, KINECT))
    scored = [
        sample.observation.image_rgb
        for case in load_cases('mosd', folder.parent, tmp_path)
        for sample in case.samples()
    ]
    assert len(training) == 72
    assert len(held_out) == 8
    assert scored

    def seen(image, among):
        return any(np.array_equal(image, other.image_rgb) for other in among)

    assert not any(seen(image, training) for image in scored)
    assert all(seen(image, held_out) for image in scored)
