from __future__ import annotations

import pytest

from medtl.masks import is_mask


@pytest.mark.parametrize(
    "name",
    [
        "yes/1_mask.png",
        "case1-mask.tif",
        "case 1 mask.jpg",
        "case1.mask.png",
        "benign (3)_mask_1.png",
        "1_Mask.PNG",
        "tumorMask.png",
        "mask.png",
        "mask_0017.png",
        "BraTS20_Training_001_seg.nii.gz",
        "BraTS-GLI-00000-000-seg.nii",
        "x_segmentation.nii.gz",
        "x_label.nii.gz",
        "p1_gt.png",
        "p1_roi.png",
        "p1-contour.png",
        "p1_annotation.png",
        "kopf_Maske.png",
        "1_masque.png",
        "x ground truth.png",
        "masks/train/yes/1.png",
        "yes_mask/1.png",
        "Segmentations/1.nii",
    ],
)
def test_masks_are_known_by_their_names(name: str) -> None:
    assert is_mask(name)


@pytest.mark.parametrize(
    "name",
    [
        "yes/1.png",
        "masked man.png",
        "heroi.png",
        "unmasked.png",
        "segment 3.png",
        "BraTS20_Training_001_flair.nii.gz",
        "Br35H-Mask-RCNN/TRAIN/y1.jpg",
        "label 3.png",
        "IM_seg.dcm",
        "IM0001",
        "T1_sag.nii",
    ],
)
def test_scans_are_no_masks(name: str) -> None:
    assert not is_mask(name)
