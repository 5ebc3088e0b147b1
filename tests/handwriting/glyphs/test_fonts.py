"""Fonts of the system, what counts as one with all letters, and what they print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTCollection, TTFont

from handwriting.glyphs.fonts import Font, find_fonts, render
from handwriting.labels import CHARACTERS
from shared.errors import DataError


def _latin() -> Font:
    """A font that comes with matplotlib, so that it is there wherever these tests run."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return Font(path, 0, "DejaVu Sans", "DejaVu Sans")


def test_without_fonts_it_says_in_a_line_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no font .* under .*; install some \(Debian: fonts-deva\), or give data.source"
    ):
        find_fonts([tmp_path, tmp_path / "missing"])


def test_a_font_without_the_letters_and_a_file_that_is_none_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "latin.ttf").write_bytes(_latin().path.read_bytes())
    (tmp_path / "torn.ttf").write_bytes(_latin().path.read_bytes()[:500])
    (tmp_path / "text.otf").write_text("no font")
    with pytest.raises(DataError, match="no font with all Devanagari letters"):
        find_fonts([tmp_path])


def test_without_raqm_nothing_is_drawn_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handwriting.glyphs.fonts.features.check", lambda feature: False)
    with pytest.raises(DataError, match="install libraqm"):
        find_fonts()


def test_a_font_that_does_not_join_clusters_is_left_out(fonts: tuple[Font, ...], tmp_path: Path) -> None:
    with TTFont(fonts[0].path) as whole:
        del whole["GSUB"]  # the table of ligatures
        whole.save(tmp_path / "apart.ttf")
    with pytest.raises(DataError, match="no font with all Devanagari letters and clusters"):
        find_fonts([tmp_path])


def test_the_faces_of_a_collection_are_found_by_their_place(fonts: tuple[Font, ...], tmp_path: Path) -> None:
    collection = TTCollection()
    collection.fonts = [TTFont(path) for path in (_latin().path, fonts[0].path)]
    collection.save(tmp_path / "both.ttc")
    for face in collection.fonts:
        face.close()
    (found,) = find_fonts([tmp_path])
    assert (found.index, found.name) == (1, fonts[0].name)
    np.testing.assert_array_equal(render("क्ष", found, 32), render("क्ष", fonts[0], 32))


def test_a_symbol_that_draws_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"DejaVu Sans draws nothing for"):
        render(" ", _latin(), 32)


@pytest.mark.parametrize("size", [16, 32, 57, 96])
def test_a_character_lies_large_and_centred_within_the_margin(size: int) -> None:
    picture = render("H", _latin(), size)
    assert (picture.dtype, picture.shape) == (np.float32, (size, size))
    rows, columns = np.nonzero(picture > 0.5)
    margin = size / 16
    assert margin - 1 <= rows.min() <= margin + 2
    assert abs(rows.min() - (size - 1 - rows.max())) <= 2
    assert abs(columns.min() - (size - 1 - columns.max())) <= 2
    assert picture.max() > 0.95
    assert picture[0].max() == picture[:, 0].max() == 0.0


def test_a_font_in_two_folders_counts_once(fonts: tuple[Font, ...], tmp_path: Path) -> None:
    first = fonts[0]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / first.path.name).write_bytes(first.path.read_bytes())
    (again,) = find_fonts([tmp_path / "one", tmp_path / "two"])
    assert again.name == first.name


def test_every_character_of_every_font_has_a_shape_of_its_own(fonts: tuple[Font, ...]) -> None:
    for font in fonts:
        pictures = {render(character.symbol, font, 32).tobytes() for character in CHARACTERS.values()}
        assert len(pictures) == len(CHARACTERS), font.name


def test_the_faces_of_a_family_share_its_name(fonts: tuple[Font, ...]) -> None:
    assert len({font.name for font in fonts}) == len(fonts)
    assert [font.name for font in fonts] == sorted(font.name for font in fonts)
    assert all(font.family for font in fonts)


def test_bold_and_regular_are_one_family(fonts: tuple[Font, ...]) -> None:
    by_name = {font.name: font.family for font in fonts}
    if not {"Annapurna SIL", "Annapurna SIL Bold"} <= set(by_name):
        pytest.skip("Annapurna SIL is not installed in two weights")
    assert by_name["Annapurna SIL"] == by_name["Annapurna SIL Bold"]
