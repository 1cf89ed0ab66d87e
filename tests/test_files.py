"""Files written as a whole, and numbers that JSON can't spell."""

import json
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from amijax.files import write_atomically
from amijax.json_values import exact_json_text, from_text, json_text


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(path, "x")
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_the_same_file_do_not_mix(tmp_path):
    path = tmp_path / "file"
    contents = [str(i) * 100_000 for i in range(8)]
    threads = [threading.Thread(target=write_atomically, args=(path, c)) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in contents
    assert list(tmp_path.iterdir()) == [path]


VALUES = {
    "a": [1.5, math.nan, -math.inf, None, True, "text"],
    "b": np.array([[1.0, np.nan], [np.inf, 0.1]]),
    "c": (np.float32(0.5), np.float64("nan"), np.int64(3)),
}


def test_null_for_those_who_read():
    assert json.loads(json_text(VALUES), parse_constant=pytest.fail) == {
        "a": [1.5, None, None, None, True, "text"],
        "b": [[1.0, None], [None, 0.1]],
        "c": [0.5, None, 3],
    }


def test_text_for_those_who_need_the_number_back():
    text = exact_json_text(VALUES)
    json.loads(text, parse_constant=pytest.fail)
    back = from_text(json.loads(text))
    assert repr(back["a"]) == "[1.5, nan, -inf, None, True, 'text']"
    np.testing.assert_array_equal(back["b"], VALUES["b"])
    assert repr(back["c"]) == "[0.5, nan, 3]"


@hypothesis_settings(derandomize=True)
@given(st.lists(st.floats()))
def test_every_bit_comes_back(values):
    back = from_text(json.loads(exact_json_text(values)))
    np.testing.assert_array_equal(np.array(back, float), np.array(values, float))
    assert [math.copysign(1, x) for x in back if x == x] == [
        math.copysign(1, x) for x in values if x == x
    ]
