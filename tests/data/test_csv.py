"""CSV files and the columns they become."""

from __future__ import annotations

import csv
import gzip
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import ConfigError, DataError
from chainrule.data.readers import read_csv, write_csv
from chainrule.data.tables import MISSING, Table, make_column


@pytest.fixture
def save(tmp_path):
    """Writes text (or bytes) to a file and gives its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def listed(table):
    return {name: column.tolist() for name, column in table.columns.items()}


# Columns


@pytest.mark.parametrize(
    ("cells", "values", "dtype", "kind"),
    [
        (["1", "-2", "+3"], [1, -2, 3], "int64", "number"),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0], "float64", "number"),
        ([" 1 ", "2"], [1, 2], "int64", "number"),
        (["inf", "-inf"], [np.inf, -np.inf], "float64", "number"),
        (["99999999999999999999", "1"], [1e20, 1.0], "float64", "number"),
        (["9007199254740993", "1"], [9007199254740993, 1], "int64", "number"),
        (["true", "False", "TRUE"], [True, False, True], "bool", "boolean"),
        (["true", "", "false"], [True, None, False], "object", "boolean"),
        (["a", "b", "a", "?"], ["a", "b", "a", None], "object", "category"),
        (["1_000", "2"], ["1_000", "2"], "object", "category"),
        (["1,5", "2"], ["1,5", "2"], "object", "category"),
        (["5%", "$3"], ["5%", "$3"], "object", "category"),
    ],
)
def test_kinds_are_guessed(cells, values, dtype, kind):
    column, found = make_column(cells)
    assert column.tolist() == values and column.dtype == dtype and found == kind


def test_numbers_with_gaps_are_floats_with_nan():
    for cells in (["1", "", "3"], ["1", "NA", "3"], ["1", " ? ", "3"], ["1", "nan", "3"], ["1", "null", "3"]):
        column, kind = make_column(cells)
        assert kind == "number" and column.dtype == np.float64
        np.testing.assert_array_equal(column, [1, np.nan, 3])
    assert np.isnan(make_column(["", "NA"])[0]).all()


def test_words_that_do_not_repeat_are_text():
    assert make_column([f"name {i}" for i in range(11)])[1] == "text"
    assert make_column([f"name {i}" for i in range(10)])[1] == "category"
    assert make_column([f"town {i % 40}" for i in range(80)])[1] == "category"
    assert make_column([f"town {i % 41}" for i in range(80)])[1] == "text"
    assert make_column([f"word {i % 1001}" for i in range(5000)])[1] == "text"


def test_decimal_comma():
    assert make_column(["1,5", "2"], decimal=",")[0].tolist() == [1.5, 2]
    assert make_column(["1.5", "2"], decimal=".,")[0].tolist() == [1.5, 2]
    np.testing.assert_array_equal(make_column(["1,5", "NA"], decimal=".,")[0], [1.5, np.nan])


def test_kinds_that_are_told_go_before_guesses():
    assert make_column(["1", "2", ""], "category")[0].tolist() == ["1", "2", None]
    assert make_column(["1", "2"], "text")[1] == "text"
    assert make_column(["true", "x"], "category")[0].tolist() == ["true", "x"]
    with pytest.raises(ConfigError, match="'integer'"):
        make_column(["1"], "integer")


# Files


def test_header_quotes_and_line_breaks(save):
    table = read_csv(save('name,"size, cm",note\n"Ann ""A""",1.5,"two\nlines"\r\nBob,2,\n'))
    assert listed(table) == {"name": ['Ann "A"', "Bob"], "size, cm": [1.5, 2.0], "note": ["two\nlines", None]}
    assert table.name == "table.csv" and len(table) == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_guessed(save, delimiter):
    text = "\n".join(delimiter.join(row) for row in [["a", "b, c", "d"], ["1", "x y", "2.5"], ["3", "z", "4"]])
    text = text.replace("b, c", '"b, c"')
    table = read_csv(save(text))
    assert listed(table) == {"a": [1, 3], "b, c": ["x y", "z"], "d": [2.5, 4.0]}


def test_semicolons_with_decimal_commas(save):
    path = save("h;w\n1,70;60\n1,85;82,5\n")
    assert listed(read_csv(path)) == {"h": [1.7, 1.85], "w": [60, 82.5]}
    assert read_csv(path, decimal=".").kinds["h"] == "category"


def test_one_column_needs_no_delimiter(save):
    assert listed(read_csv(save("x\n1\n2\n"))) == {"x": [1, 2]}


def test_a_told_delimiter_is_used(save):
    assert listed(read_csv(save("a:b\n1:2\n"), delimiter=":")) == {"a": [1], "b": [2]}
    for bad in ("", ";;", '"', "\n"):
        with pytest.raises(ConfigError, match="one character"):
            read_csv(save("a\n1\n"), delimiter=bad)


def test_header_is_guessed_and_can_be_told(save):
    assert read_csv(save("1,2\n3,4\n")).names == ("column_1", "column_2")
    assert read_csv(save("5.1,setosa\n4.9,virginica\n")).names == ("column_1", "column_2")
    assert read_csv(save("colour,shape\nred,round\n")).names == ("colour", "shape")
    assert len(read_csv(save("red,round\nblue,square\n"), header=False)) == 2
    assert read_csv(save("2019,2020\n1,2\n"), header=True).names == ("2019", "2020")


def test_an_unnamed_column_gets_a_name(save):
    assert listed(read_csv(save(",x\n0,1.5\n1,2.5\n"))) == {"column_1": [0, 1], "x": [1.5, 2.5]}


def test_blank_lines_and_blanks_are_dropped(save):
    assert listed(read_csv(save("\n a , b\n\n 1 , red \n\n2,blue\n\n"))) == {
        "a": [1, 2],
        "b": ["red", "blue"],
    }


def test_a_blank_may_stand_before_a_quote(save):
    assert listed(read_csv(save('a, b\n1, "x, y"\n'))) == {"a": [1], "b": ["x, y"]}


def test_byte_order_mark_gzip_and_other_encodings(save):
    assert read_csv(save(b"\xef\xbb\xbfa,b\n1,2\n")).names == ("a", "b")
    assert read_csv(save(gzip.compress(b"a,b\n1,2\n"), "t.csv.gz")).names == ("a", "b")
    assert read_csv(save("städt,x\nKöln,1\n".encode("latin-1")), encoding="latin-1").names[0] == "städt"
    assert read_csv(save("이름,값\n가,1\n".encode("cp949")), encoding="cp949").names == ("이름", "값")
    assert read_csv(save("a,b\n1,2\n".encode("utf-16")), encoding="utf-16").names == ("a", "b")


def test_target_is_checked_and_kept(save):
    path = save("width,Species\n1,a\n2,b\n")
    table = read_csv(path, target="Species")
    assert table.target == "Species" and table.features == ("width",)
    with pytest.raises(DataError, match="did you mean 'Species'") as caught:
        read_csv(path, target="species")
    assert "'width', 'Species'" in str(caught.value) and "table.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty file"),
        ("\n\n", "an empty file"),
        ("a,b\n", "a header and no rows"),
        ("a,b\n1,2\n3\n", "1 cells in line 3"),
        ("a,b\n1,2\n\n3,4,5\n", "3 cells in line 4"),
        ('a,b\n"x\ny",2\n3,4,5\n', "3 cells in line 4"),
        ('a,b\n1,2\n"x\ny"\n', "1 cells in line 3"),
        ("a,b,a\n1,2,3\n", "'a' in columns 1, 3"),
        ('a,b\n1,2\n3,"open\n4,5\n', "begins in line 3: unexpected end of data"),
        ('a,b\n1,"x"y\n', "begins in line 2: ',' expected after"),
        (b"a,b\n1,2\n3,K\xf6ln\n", "not utf-8 in line 3"),
        (b"\xff\xfea\x00", "UTF-16"),
        (b"a,b\n1,\x00\n", "zero byte in line 2"),
        (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "damaged gzip"),
    ],
)
def test_bad_files_are_refused_with_the_line(save, content, message):
    with pytest.raises(DataError) as caught:
        read_csv(save(content))
    assert message in str(caught.value) and "table.csv" in str(caught.value)


def test_a_cell_of_another_kind_is_named_with_its_line(save):
    path = save('age,ok\n"1",true\n\n2,false\nold,maybe\n')
    with pytest.raises(DataError, match=r"'old' in column 'age', line 5"):
        read_csv(path, kinds={"age": "number"})
    with pytest.raises(DataError, match=r"'maybe' in column 'ok', line 5"):
        read_csv(path, kinds={"ok": "boolean"})
    with pytest.raises(DataError, match="no 'aeg'"):
        read_csv(path, kinds={"aeg": "number"})
    with pytest.raises(ConfigError, match="'float'"):
        read_csv(path, kinds={"age": "float"})


def test_missing_markers_can_be_told(save):
    path = save("a,b\n1,none\n-999,NA\n")
    table = read_csv(path, missing=frozenset({"-999", "none"}))
    assert np.isnan(table["a"][1]) and table["b"].tolist() == [None, "NA"]


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_csv(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="a folder"):
        read_csv(tmp_path)
    with pytest.raises(ConfigError, match="klingon"):
        (tmp_path / "t.csv").write_text("a\n1\n")
        read_csv(tmp_path / "t.csv", encoding="klingon")


def test_a_table_prints_picks_and_counts(save):
    table = read_csv(save("a,b,c\n1,x,\n2,,true\n3,x,false\n"), target="b")
    assert repr(table) == (
        "Table 'table.csv': 3 rows, target 'b'\n  a  number\n  b  category, 1 value, 1 missing\n  c  boolean, 1 missing"
    )
    assert table.missing() == {"a": 0, "b": 1, "c": 1} and table.categories("b") == ("x",)
    assert listed(table.take([2, 0]).select(["a"])) == {"a": [3, 1]}
    assert table.select(["a"]).target is None and table.select(["b", "a"]).target == "b"
    assert len(table.take(np.array([True, False, True]))) == 2 and len(table.take([])) == 0
    with pytest.raises(DataError, match="no 'd'"):
        table["d"]


def test_columns_that_do_not_fit_a_table_are_refused():
    with pytest.raises(DataError, match="one length"):
        Table({"a": np.zeros(2), "b": np.zeros(3)}, {"a": "number", "b": "number"})
    with pytest.raises(DataError, match="kinds"):
        Table({"a": np.zeros(2)}, {})
    with pytest.raises(DataError, match="kinds"):
        Table({"a": np.zeros(2)}, {"a": "integer"})


def test_a_hundred_thousand_rows_take_about_a_second(tmp_path):
    generator = np.random.default_rng(0)
    numbers = [generator.normal(size=20_000).round(4).astype(str) for _ in range(18)]
    words = [np.array(["red", "green", ""])[generator.integers(0, 3, 20_000)] for _ in range(2)]
    with open(tmp_path / "big.csv", "w", newline="") as file:
        csv.writer(file).writerow([f"c{i}" for i in range(20)])
        csv.writer(file).writerows(zip(*numbers, *words, strict=True))
    start = time.perf_counter()
    table = read_csv(tmp_path / "big.csv")
    # A fifth of the rows; the bound is loose, for machines that are busy.
    assert time.perf_counter() - start < 2
    assert list(table.kinds.values()) == ["number"] * 18 + ["category"] * 2


# Round trips

WORDS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8).filter(
    lambda word: word == word.strip() and word not in MISSING
)
KINDS = {
    "number": st.floats(allow_nan=True) | st.integers(-(2**40), 2**40).map(float),
    "boolean": st.none() | st.booleans(),
    "category": WORDS,
    "text": WORDS,
}


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 6))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    columns, named = {}, {}
    for place, kind in enumerate(kinds):
        values = draw(st.lists(KINDS[kind], min_size=rows, max_size=rows))
        name = f"{draw(WORDS) or ''}#{place}".strip()
        columns[name], named[name] = np.array(values, np.float64 if kind == "number" else object), kind
    return Table(columns, named)


@settings(max_examples=150, deadline=None)
@given(table=tables(), delimiter=st.sampled_from([",", ";", "\t", "|"]))
def test_what_is_written_reads_back(table, delimiter, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    write_csv(table, path, delimiter)
    back = read_csv(path, kinds=table.kinds, delimiter=delimiter, header=True, decimal=".")
    assert back.names == table.names and back.kinds == table.kinds
    for name in table.names:
        np.testing.assert_array_equal(back[name], table[name])


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=60) | st.text(',;"\n\r\tax1. ', max_size=40).map(str.encode))
def test_any_bytes_give_a_table_or_one_clear_error(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(content)
    try:
        table = read_csv(path)
    except DataError as error:
        assert "t.csv" in str(error)
    else:
        assert len(table) >= 1 and all(len(table[name]) == len(table) for name in table.names)
