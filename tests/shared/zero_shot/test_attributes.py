import numpy as np
import pytest

from handwriting import side_information as characters
from handwriting.labels import CHARACTERS
from medtl import side_information as tumours
from medtl.labels import KNOWN_CLASSES, TUMOUR
from shared.errors import DataError, UnknownNameError
from shared.zero_shot.attributes import read_table

GOOD = "class,bar,loop\nmeaning,a bar,a loop\nsource,book,book\nka,1,1\nga,1,0\nra,0,0.5\n"


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_every_class_of_both_applications_has_a_row():
    assert characters.table().classes == tuple(CHARACTERS)
    assert set(tumours.table().classes) == set(KNOWN_CLASSES) - {TUMOUR}  # "tumour" is of no one kind


def test_rows_come_in_the_order_asked_for(tmp_path):
    table = read_table(written(tmp_path / "a.csv", GOOD))
    assert table.signatures(["ra", "ka"]).tolist() == [[0, 0.5], [1, 1]]
    with pytest.raises(UnknownNameError, match="kha"):
        table.signatures(["kha"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ra,0,0.5", "ra,1,0", "ga and ra have the same row"),
        ("ra,0,0.5", "ra,0,2", "'2' is not a number from 0 to 1"),
        ("ra,0,0.5", "ra,0,", "row 6"),
        ("ra,0,0.5", "ka,0,0.5", "ka occurs more than once"),
        ("meaning,", "means,", "must begin with the rows"),
    ],
)
def test_faulty_tables_are_refused(tmp_path, old, new, message):
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path / "a.csv", GOOD.replace(old, new)))


def test_random_table_keeps_how_often_an_attribute_is_there():
    table = characters.table()
    control = table.randomised(3)
    assert not np.array_equal(control.values, table.values)
    np.testing.assert_array_equal(np.sort(control.values, axis=0), np.sort(table.values, axis=0))
    np.testing.assert_array_equal(control.values, table.randomised(3).values)
