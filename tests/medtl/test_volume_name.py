"""The name of a NIfTI file says its contrast in whole words, or says none."""

from __future__ import annotations

import pytest

from medtl.volume_name import contrast_of_volume

AGENT = "T1 with contrast agent"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sub-01_FLAIR.nii.gz", "FLAIR"),
        ("sub-01_T1w.nii.gz", "T1"),
        ("sub-01_ce-gadolinium_T1w.nii.gz", AGENT),
        ("sub-01_ce-none_T1w.nii", "T1"),
        ("sub-01_acq-mprage_T1w.nii.gz", "T1"),
        ("sub-01_ses-T1_space-T1w_FLAIR.nii.gz", "FLAIR"),
        ("sub-01_T2w.nii", "T2"),
        ("sub-01_T2starw.nii", "T2*"),
        ("sub-01_PDw.nii", "proton density"),
        ("old01_flair.nii.gz", "FLAIR"),
        ("patient01_study1_T1W.nii.gz", "T1"),
        ("BraTS-GLI-00000-000-t1c.nii.gz", AGENT),
        ("BraTS-GLI-00000-000-t1n.nii.gz", "T1"),
        ("BraTS-GLI-00000-000-t2f.nii.gz", "FLAIR"),
        ("BraTS-GLI-00000-000-t2w.nii.gz", "T2"),
        ("BraTS20_Training_001_t1ce.nii.gz", AGENT),
        ("BraTS20_Training_001_flair.nii", "FLAIR"),
        ("a_T1_post.nii.gz", AGENT),
        ("a_T1+C.nii.gz", AGENT),
        ("ceT1.nii.gz", AGENT),
        ("a_T1_with_contrast.nii.gz", AGENT),
        ("post-contrast_T1w.nii.gz", AGENT),
        ("a_T1_no_contrast.nii.gz", "T1"),
        ("precontrast_T1.nii.gz", "T1"),
        ("a_t2_flair.nii.gz", "FLAIR"),
        ("a_T1_pre.nii.gz", "T1"),
        ("scans.zip::T1/b/FLAIR.nii.gz", "FLAIR"),
        ("sub-01_ce-gadolinium_FLAIR.nii.gz", "FLAIR with contrast agent"),
    ],
)
def test_names_by_the_habit_of_the_field_say_one_contrast(name: str, said: str) -> None:
    assert contrast_of_volume(f"data/{name}" if "::" not in name else name) == said


@pytest.mark.parametrize(
    "name",
    [
        "scan.nii.gz",
        "flair/scan.nii.gz",
        "flairtown_01.nii.gz",
        "x2t1.nii.gz",
        "T10.nii.gz",
        "t1rho.nii.gz",
        "a_T1_FLAIR.nii.gz",
        "a_T1_T2.nii.gz",
        "flair_to_t2.nii.gz",
        "t1_to_t1ce.nii.gz",
        "sub-01_T1map.nii.gz",
        "a_T2_map.nii.gz",
        "sub-01_space-T1w_bold.nii.gz",
        "sub-T1.nii.gz",
        "sub-01_dwi.nii.gz",
        "post_01_T1.nii.gz",
        "a_T1_post_op.nii.gz",
        "a_ce-gadolinium_T1_pre.nii.gz",
    ],
)
def test_parts_of_words_folders_and_contradictions_say_none(name: str) -> None:
    assert contrast_of_volume(name) == ""
