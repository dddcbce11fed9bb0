import gzip
import io
import warnings

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from metalyra.core.containers import stream_members
from metalyra.surveys import SurveyError
from metalyra.surveys.formats.serialisations import (
    parse_lists,
    read_tables,
    read_text_columns,
    to_flags,
    to_numbers,
)

TABLE = Table(
    {
        "source_id": np.array([4071632917964102401, 1], dtype=np.int64),
        "Mag": MaskedColumn([15.5, 0.1], mask=[False, True]),
        "name": ["a", "b"],
        "rejected": [True, False],
    }
)

VOTABLES = ("tabledata", "binary", "binary2")


def serialise(table: Table, serialisation: str) -> bytes:
    """Write a table as one of the archives would, with units that no standard knows."""
    buffer = io.BytesIO()
    if serialisation in (*VOTABLES, "fits"):
        with warnings.catch_warnings(action="ignore"):
            if serialisation == "fits":
                table.write(buffer, format="fits")
            else:
                table.write(buffer, format="votable", tabledata_format=serialisation)
    else:
        text = io.StringIO()
        kind = {"csv": "ascii.csv", "ecsv": "ascii.ecsv"}[serialisation]
        table.write(text, format=kind, **({"delimiter": ","} if kind == "ascii.ecsv" else {}))
        buffer.write(text.getvalue().encode())
    return buffer.getvalue()


@pytest.mark.parametrize("serialisation", [*VOTABLES, "fits", "ecsv", "csv"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_every_serialisation_gives_the_same_table(serialisation, compress):
    (table,) = read_tables(compress(serialise(TABLE, serialisation)))
    assert table.column_names == ["source_id", "mag", "name", "rejected"]
    np.testing.assert_array_equal(to_numbers(table["mag"]), [15.5, np.nan])
    assert to_flags(table["rejected"]).tolist() == [True, False]
    text = read_text_columns("x", serialise(TABLE, serialisation))
    assert text["source_id"].tolist() == ["4071632917964102401", "1"]
    assert text["mag"].isna().tolist() == [False, True]
    assert text["name"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", "web page"),
        (b"<VOTABLE><RESOURCE>", "not a VOTable"),
        (serialise(TABLE, "tabledata")[:-200], "not a VOTable"),
        (serialise(TABLE, "fits")[:3000], "not a FITS table"),
        (b"# %ECSV 1.0\n# ---\n# datatype: [\n", "not an ECSV table"),
        (gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], "damaged or cut short"),
        (b"a,b\n1,2\n3\n", "Expected 2 columns"),
    ],
)
def test_what_is_no_table_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_tables(data)


@pytest.mark.parametrize(
    ("status", "message"),
    [("ERROR", "the archive says: Job 7 was aborted"), ("OVERFLOW", "limit of rows")],
)
def test_the_archives_own_errors_are_passed_on(status, message):
    text = serialise(TABLE, "tabledata").decode()
    info = f'<INFO name="QUERY_STATUS" value="{status}">Job 7 was aborted</INFO><TABLE'
    with pytest.raises(ValueError, match=message):
        read_tables(text.replace("<TABLE", info, 1).encode())


def test_two_tables_are_no_list_of_stars():
    text = serialise(TABLE, "tabledata").decode()
    table = text[text.index("<TABLE") : text.index("</RESOURCE>")].replace(' ID="', ' ID="second_')
    data = text.replace("</RESOURCE>", table + "</RESOURCE>").encode()
    assert [len(part) for part in read_tables(data)] == [2, 2]
    with pytest.raises(ValueError, match="2 tables in one file"):
        read_text_columns("x", data)


@pytest.mark.parametrize("cell", ["[1.5, null]", "{1.5,NULL}", "(1.5,nan)", '[1.5,""]'])
def test_lists_are_read_in_every_dialect(cell):
    quoted = cell.replace('"', '""')
    (table,) = read_tables(f'a\n"{quoted}"\n'.encode())
    lists = parse_lists(table["a"]).combine_chunks()
    np.testing.assert_array_equal(to_numbers(lists.flatten()), [1.5, np.nan])


def test_an_empty_csv_is_an_empty_list_of_stars():
    with pytest.raises(SurveyError, match="x: the file is empty"):
        read_text_columns("x", b"")


@pytest.mark.parametrize(
    ("name", "rows", "columns", "first"),
    [
        ("1710099405832VAL-result.vot", 2, 152, "4583627001381815936"),
        ("1712337806100O-result.ecsv", 5, 153, "6636090334814214528"),
        ("job_1.vot", 3, 4, "a"),
        ("job_2.vot.gz", 3, 4, "a"),
    ],
)
def test_real_answers_of_the_gaia_archive(mirror, name, rows, columns, first):
    (member,) = stream_members(mirror / "gaia_archive_samples" / name)
    (table,) = read_tables(member.data)
    assert (table.num_rows, table.num_columns) == (rows, columns)
    assert read_text_columns(name, member.data)["source_id"].iloc[0] == first
