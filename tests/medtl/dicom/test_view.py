from __future__ import annotations

import itertools

import numpy as np
import pytest

from medtl.dicom.geometry import ImagePlane
from medtl.dicom.view import DIRECTIONS, View, view_of
from shared.errors import InputRefused

TURNS = list(itertools.product((False, True), repeat=3))
SHOWN = np.arange(6 * 8, dtype=np.float32).reshape(6, 8)
SPACING = (1.0, 1.0)


def stored_as(turn: tuple[bool, ...], rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, ImagePlane]:
    """`SHOWN`, whose rows and columns run in these directions, stored in another way; and where it then lies."""
    exchanged, rows_reversed, columns_reversed = turn
    pixels, along, down = SHOWN, np.asarray(rows, float), np.asarray(columns, float)
    if rows_reversed:
        pixels, down = pixels[::-1], -down
    if columns_reversed:
        pixels, along = pixels[:, ::-1], -along
    if exchanged:
        pixels, along, down = pixels.T, down, along
    return pixels, ImagePlane(orientation=(*along.tolist(), *down.tolist()), spacing_mm=SPACING)


@pytest.mark.parametrize("plane", DIRECTIONS)
@pytest.mark.parametrize("turn", TURNS)
def test_every_way_of_storing_a_slice_gives_the_same_picture_and_the_way_back(
    plane: str, turn: tuple[bool, ...]
) -> None:
    rows, columns = (np.array(direction) for direction in DIRECTIONS[plane])
    pixels, where = stored_as(turn, rows, columns)
    view = view_of([where])
    assert view.plane is not None
    assert str(view.plane) == plane
    np.testing.assert_array_equal(view.apply(pixels), SHOWN)
    np.testing.assert_array_equal(view.undo(SHOWN, pixels.shape), pixels)


@pytest.mark.parametrize(
    ("plane", "edges"), [("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI")], ids=["ax", "cor", "sag"]
)
@pytest.mark.parametrize("turn", TURNS)
def test_edges_are_named_as_radiologists_read_them_however_a_slice_is_stored(
    plane: str, edges: str, turn: tuple[bool, ...]
) -> None:
    rows, columns = (np.array(direction) for direction in DIRECTIONS[plane])
    _, where = stored_as(turn, rows, columns)
    assert view_of([where]).edges == dict(zip(("left", "right", "top", "bottom"), edges, strict=True))


@pytest.mark.parametrize(("tilt", "name"), [(30, "axial, tilted by 30 degrees"), (45, "oblique by 45 degrees")])
@pytest.mark.parametrize("axis", [0, 1])
def test_rounding_of_a_tilt_at_a_bound_changes_neither_plane_nor_picture(tilt: int, name: str, axis: int) -> None:
    angle = np.radians(tilt)
    rows, columns = np.eye(3)[0], np.eye(3)[1]
    tilted = np.cos(angle) * np.eye(3)[1 - axis] + np.sin(angle) * np.eye(3)[2]
    rows, columns = (rows, tilted) if axis == 0 else (tilted, columns)
    views = []
    for error in np.random.default_rng(0).uniform(-1e-6, 1e-6, (20, 6)):
        views.append(view_of([ImagePlane(orientation=tuple((np.array([*rows, *columns]) + error).tolist()))]))
    assert {str(view.plane) for view in views} == {name}
    assert len({view.turn for view in views}) == 1


@pytest.mark.parametrize("tilt", [20, 29, 31, 45])
def test_every_way_of_storing_a_tilted_slice_gives_the_same_picture(tilt: int) -> None:
    angle = np.radians(tilt)
    rows, columns = np.array([1, 0, 0]), np.array([0, np.cos(angle), -np.sin(angle)])
    views = [view_of([where]).apply(pixels) for pixels, where in (stored_as(turn, rows, columns) for turn in TURNS)]
    for one in views:
        np.testing.assert_array_equal(one, views[0])


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("degrees", [45, -45, 135])
def test_sides_of_a_slice_that_is_turned_in_its_plane_are_two(turn: tuple[bool, ...], degrees: int) -> None:
    angle = np.radians(degrees)
    rows, columns = (np.cos(angle), np.sin(angle), 0), (-np.sin(angle), np.cos(angle), 0)
    _, where = stored_as(turn, np.array(rows), np.array(columns))
    along, down = view_of([where]).sides or ("", "")
    assert {along in "LR", down in "LR"} == {True, False}
    assert {along in "PA", down in "PA"} == {True, False}


def test_slice_turned_by_45_degrees_in_its_plane_has_one_picture_however_it_is_stored() -> None:
    half = np.sqrt(0.5)
    rows, columns = np.array([half, half, 0]), np.array([-half, half, 0])
    noise = np.random.default_rng(0).uniform(-1e-6, 1e-6, (8, 6))
    shown = []
    for turn, error in zip(TURNS, noise, strict=True):
        pixels, where = stored_as(turn, rows, columns)
        rounded = tuple((np.array(where.orientation) + error).tolist())
        shown.append(view_of([ImagePlane(orientation=rounded, spacing_mm=SPACING)]).apply(pixels))
    for one in shown:
        np.testing.assert_array_equal(one, shown[0])


@pytest.mark.parametrize(
    ("tilt", "words"),
    [(0, "axial"), (4, "axial"), (15, "axial, tilted by 15 degrees"), (40, "oblique by 40 degrees")],
)
def test_plane_is_named_with_its_tilt(tilt: int, words: str) -> None:
    angle = np.radians(tilt)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(-np.sin(angle)))
    assert str(view_of([ImagePlane(orientation=orientation)]).plane) == words


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("rows", [1, 2])
def test_pixels_become_square_and_maps_find_back(exchanged: bool, rows: int) -> None:
    spacing = (2.0, 1.0) if rows == 2 else (1.0, 2.0)
    orientation = (0.0, 1.0, 0.0, 1.0, 0.0, 0.0) if exchanged else (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    view = view_of([ImagePlane(orientation=orientation, spacing_mm=spacing)])
    stored = np.zeros((40, 60), np.float32)
    stored[10, 20] = 1
    shown = view.apply(stored)
    tall = (80, 60) if rows == 2 else (40, 120)
    assert shown.shape == (tall[::-1] if exchanged else tall)
    back = view.undo(shown, stored.shape)
    assert np.unravel_index(back.argmax(), back.shape) == (10, 20)
    assert view.pixel_mm == 1.0


def test_nearly_square_pixels_stay_as_they_are() -> None:
    view = view_of([ImagePlane(orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), spacing_mm=(0.4688, 0.46875))])
    assert view.apply(SHOWN) is not None
    np.testing.assert_array_equal(view.apply(SHOWN), SHOWN)


def test_coarse_reformat_is_refused_with_its_spacing() -> None:
    with pytest.raises(InputRefused, match=r"pixels of 5 x 1 mm.*at most 2\.5 times"):
        view_of([ImagePlane(orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0), spacing_mm=(5.0, 1.0))])


def test_edges_of_what_states_no_orientation_are_not_known() -> None:
    assert View(spacing_mm=SPACING).edges is None


def test_what_states_no_orientation_stays_as_it_is_stored() -> None:
    axial = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    view = view_of([ImagePlane(spacing_mm=(1.0, 1.0)), ImagePlane(orientation=axial, spacing_mm=(1.0, 1.0))])
    assert (view.plane, view.sides, view.pixel_mm) == (None, None, 1.0)
    np.testing.assert_array_equal(view.apply(SHOWN), SHOWN)
    assert (View().plane, View().pixel_mm) == (None, None)


def test_slices_of_several_orientations_or_spacings_are_refused() -> None:
    axial, sagittal = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    with pytest.raises(InputRefused, match="2 orientations"):
        view_of([ImagePlane(orientation=axial), ImagePlane(orientation=sagittal)])
    with pytest.raises(InputRefused, match="several pixel spacings"):
        view_of([ImagePlane(spacing_mm=(1.0, 1.0)), ImagePlane(spacing_mm=(2.0, 2.0))])


@pytest.mark.parametrize("turn", TURNS)
def test_sides_are_those_of_the_stored_slice(turn: tuple[bool, ...]) -> None:
    _, where = stored_as(turn, np.array([1, 0, 0]), np.array([0, 1, 0]))
    assert where.orientation is not None
    letters = {(1, 0): "L", (-1, 0): "R", (0, 1): "P", (0, -1): "A"}
    along, down = where.orientation[:2], where.orientation[3:5]
    assert view_of([where]).sides == (letters[along], letters[down])  # type: ignore[index]
