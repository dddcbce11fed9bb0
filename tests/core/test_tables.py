"""Tables reach the disk whole, with the meaning of their columns."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from metalyra.core.tables import (
    describe,
    order_as,
    read_metadata,
    read_rows,
    read_table,
    read_tables,
    replace_when_complete,
    write_csv,
    write_table,
)


def test_columns_carry_their_units(tmp_path):
    table = pd.DataFrame({"star_id": ["a"], "period": [0.5], "a1_err": [0.01], "n_epochs": [30]})
    write_table(table, tmp_path / "table.parquet", metadata={"relation": "dekany2021"})
    schema = pq.read_schema(tmp_path / "table.parquet")
    assert schema.field("period").metadata[b"unit"] == b"d"
    assert schema.field("a1_err").metadata[b"unit"] == b"mag"
    assert b"unit" not in schema.field("n_epochs").metadata
    assert read_metadata(tmp_path / "table.parquet") == {"relation": "dekany2021"}
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.parquet"), table)


@pytest.mark.parametrize("name", ["phi31", "phi31_err", "archive_phi31", "archive_phi31_err"])
def test_phases_are_radians_wherever_they_come_from(name):
    assert describe(name).unit == "rad"


def test_nothing_half_written_is_under_the_final_name(tmp_path):
    path = tmp_path / "folder" / "file"
    with replace_when_complete(path) as temporary:
        temporary.write_text("first")
    unfinished = replace_when_complete(path)
    unfinished.__enter__().write_text("half")
    assert not unfinished.__exit__(RuntimeError, RuntimeError(), None)
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_chunks_are_read_as_one_table_in_one_order(tmp_path):
    table = pd.DataFrame({"star_id": list("dbca"), "value": np.arange(4.0)})
    for name, rows in (("0", table[:1]), ("1", table[1:])):
        write_table(rows, tmp_path / name)
    write_table(table, tmp_path / "all")
    parts = read_tables([tmp_path / "1", tmp_path / "0"])
    pd.testing.assert_frame_equal(parts, read_tables([tmp_path / "all"]))
    assert parts["star_id"].tolist() == list("abcd")


def test_the_same_table_gives_the_same_bytes(tmp_path):
    table = pd.DataFrame({"star_id": ["b", "a"], "mag": [15.0, np.nan], "status": ["ok", "ok"]})
    write_table(table, tmp_path / "first")
    write_table(table.copy(), tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


FORMULAS = ["=HYPERLINK(0)", "+1+1", "-1+cmd", "@SUM(1)", "\t=1", "\r=1", "'=1", "''-a"]
PLAIN = ["OGLE-1", "<script>alert(1)</script>", "-1.5", "+3e4", "-", "=", "", "'quoted'", " a"]


def test_no_text_of_a_csv_file_is_a_formula(tmp_path):
    texts = [*FORMULAS, *PLAIN]
    numbers = np.arange(len(texts)) - 3.5
    table = pd.DataFrame({"star_id": texts, "given_=1+1": numbers, "=1+1": texts})
    write_csv(table, tmp_path / "table.csv")
    read = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, dtype={"star_id": str})
    written = read["star_id"].tolist()
    assert written == [*(f"'{text}" for text in FORMULAS), *PLAIN]
    assert [*read] == ["star_id", "given_=1+1", "'=1+1"]
    np.testing.assert_array_equal(read["given_=1+1"], numbers)


def test_a_text_of_a_csv_file_is_read_again_without_the_first_apostrophe(tmp_path):
    write_csv(pd.DataFrame({"star_id": FORMULAS}), tmp_path / "table.csv")
    read = pd.read_csv(tmp_path / "table.csv", dtype=str)["star_id"]
    assert read.str[1:].tolist() == FORMULAS


def test_missing_texts_and_all_digits_of_a_csv_file_are_kept(tmp_path):
    table = pd.DataFrame({"reason": [None, "=1"], "feh": [0.1 + 0.2, np.nan]})
    write_csv(table, tmp_path / "table.csv", float_format=None)
    assert (tmp_path / "table.csv").read_text() == f"reason,feh\n,{0.1 + 0.2}\n'=1,\n"


def test_rows_are_read_from_chunks_of_which_one_has_no_stars(tmp_path):
    some = pd.DataFrame({"star_id": ["a", "b"], "a1": [0.3, 0.4]})
    none = pd.DataFrame({"star_id": [], "a1": []}).astype({"star_id": object})
    write_table(some, tmp_path / "0.parquet")
    write_table(none, tmp_path / "1.parquet")
    read = read_rows([tmp_path / "0.parquet", tmp_path / "1.parquet"], ["b"])
    assert read.to_dict("records") == [{"star_id": "b", "a1": 0.4}]


def test_listed_stars_that_a_table_does_not_have_are_counted_and_named():
    table = pd.DataFrame({"star_id": ["b", "a"], "period": [0.5, 0.6]})
    listed = pd.DataFrame({"star_id": ["a", "b"]})
    assert order_as(table, listed)["period"].tolist() == [0.6, 0.5]
    more = pd.DataFrame({"star_id": [*"abcdef"]})
    with pytest.raises(ValueError, match=r"^4 of 6 listed stars \(c, d, e, \.\.\.\) have no row"):
        order_as(table, more)
    with pytest.raises(ValueError, match=r"^2 of 2 listed stars \(a, b\) .* --forcerun ingest_"):
        order_as(table.iloc[:0], listed)
