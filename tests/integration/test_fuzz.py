"""Whatever a user gives: no star is lost, no garbage is ok, every message says what to do.

Malformed light curves and star lists go through the library's own doors, reading, fit and
prediction; malformed command lines through the check of the configuration, and some through
Snakemake itself.
"""

import bz2
import gzip
import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from metalyra.core.containers import ContainerError
from metalyra.core.statuses import STATUSES
from metalyra.core.tables import read_table
from metalyra.fit.fitting import fit_stars
from metalyra.products.catalogue import Estimate, append_given, make_sample_rows
from metalyra.products.ledger import StageTable, make_ledger
from metalyra.study.configuration import read_yaml, resolve_config
from metalyra.study.given_paths import find_wrong_paths
from metalyra.study.messages import ConfigurationError
from metalyra.surveys import SurveyError, ingest, survey
from metalyra.train.selection import select_stars
from testbench.simulate.pulsation import draw_rrab
from tests.integration.conftest import ROOT

EPOCHS = 60


def draw_star(seed: int):
    return draw_rrab(np.random.default_rng(seed), {"G": 16.0})


def observe(star, epochs: int = EPOCHS) -> pd.DataFrame:
    """Return a sound light curve."""
    rng = np.random.default_rng(epochs)
    time = np.sort(rng.uniform(57000.0, 58000.0, epochs)).round(5)
    noise = rng.normal(0.0, 0.005, epochs)
    mag = star.curves["G"].magnitude(star.phase(time + 2400000.5)) + noise
    return pd.DataFrame({"time": time, "mag": mag.round(5), "mag_err": 0.005})


SOUND = draw_star(1)
CURVE = observe(SOUND)


def text(curve: pd.DataFrame, **options) -> bytes:
    return curve.to_csv(index=False, **options).encode()


def serialise(kind: str, curve: pd.DataFrame = CURVE) -> bytes:
    buffer = io.BytesIO()
    match kind:
        case "parquet":
            curve.to_parquet(buffer)
        case "fits" | "vot":
            names = {"fits": "fits", "vot": "votable"}
            Table.from_pandas(curve).write(buffer, format=names[kind])
        case "ecsv":
            lines = io.StringIO()
            Table.from_pandas(curve).write(lines, format="ascii.ecsv")
            buffer.write(lines.getvalue().encode())
        case _:
            buffer.write(text(curve))
    return buffer.getvalue()


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def insert(row: int, cells: str) -> bytes:
    lines = text(CURVE).decode().splitlines()
    return "\n".join([*lines[: row + 1], cells, *lines[row + 1 :]]).encode()


def spoil(column: str, value: object) -> bytes:
    return text(CURVE.astype(object).assign(**{column: value}))


def make_garbage() -> dict[str, bytes]:
    """Return files that are no light curves, by name; none may give a metallicity of status ok."""
    plain, rng = text(CURVE), np.random.default_rng(0)
    files = {
        "empty.csv": b"",
        "blank.csv": b"\n\n \n",
        "header.csv": b"time,mag,mag_err\n",
        "comment.csv": b"# nothing\n",
        "nul.csv": b"\0" * 500,
        "noise.csv": rng.bytes(3000),
        "ebcdic.csv": plain.decode().encode("cp500"),
        "utf16.csv": plain.decode().encode("utf-16-le"),
        "utf32.csv": plain.decode().encode("utf-32"),
        "page.csv": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "plainpage.csv": b"<html>\n" + plain + b"</html>",
        "paper.csv": b"%PDF-1.7\n1 0 obj\n" + rng.bytes(500),
        "picture.csv": b"\x89PNG\r\n\x1a\n" + rng.bytes(200),
        "json.csv": b'{"time": [1, 2, 3], "mag": [15, 16, 17]}',
        "yaml.csv": b"time: 57000\nmag: 15\n",
        "hdf.csv": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "office.csv": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
        "sheet.csv": zipped("xl/workbook.xml", b"<workbook/>"),
        "zip_of_zip.csv": zipped("a.zip", zipped("a.csv", plain)),
        "xz.csv": b"\xfd7zXZ\0" + bytes(50),
        "zero.csv.gz": b"",
        "gz_of_nothing.csv.gz": gzip.compress(b""),
        "gz_of_gz.csv.gz": gzip.compress(gzip.compress(gzip.compress(plain))),
        "no_gz.csv.gz": plain,
        "huge_cell.csv": b"time,mag\n" + b"9" * 300_000 + b",15\n",
        "one_line.csv": b"1," * 50_000 + b"\n",
        "quote.csv": plain + b'"57999,15.0,0.1\n',
        "no_header_4.csv": b"57000 15 0.1 3\n" * 40,
        "one_column.csv": text(CURVE[["time"]]),
        "no_time.csv": text(CURVE[["mag", "mag_err"]]),
        "no_mag.csv": text(CURVE.rename(columns={"mag": "brightness"})),
        "flux.csv": text(CURVE.rename(columns={"mag": "flux"})),
        "two_times.csv": text(CURVE.assign(hjd=1.0)),
        "two_mags.csv": text(CURVE.assign(magnitude=1.0)),
        "same_names.csv": b"time,mag,mag\n57000,15,15\n" * 2,
        "swapped.csv": text(CURVE.rename(columns={"time": "mag", "mag": "time"})),
        "swapped_err.csv": text(CURVE.rename(columns={"mag_err": "mag", "mag": "mag_err"})),
        "twice.csv": plain + plain,
        "decimal_commas.csv": text(CURVE, sep=";", decimal=","),
        "wrong_separator.csv": plain.replace(b"\n", b"\n57000;15;0.1\n", 3),
        "ragged.csv": insert(9, "57000.1,15"),
        "long_row.csv": insert(9, "57000.1,15,0.1,7"),
        "html_row.csv": insert(9, "<br>,15,0.1"),
        "constant.csv": spoil("mag", 15.0),
        "no_values.csv": spoil("mag", ""),
        "sentinels.csv": spoil("mag", 99.999),
        "minus_999.csv": spoil("mag", -999),
        "infinite.csv": spoil("mag", "inf"),
        "1e300.csv": spoil("mag", 1e300),
        "times_1e300.csv": spoil("time", 1e300),
        "one_time.csv": spoil("time", 57000.0),
        "negative_times.csv": spoil("time", -1e9),
        "no_times.csv": spoil("time", ""),
        "dates.csv": spoil("time", "2015-01-01"),
        "iso.csv": spoil("time", "2015-01-01T12:00:00"),
        "sexagesimal.csv": spoil("mag", "15:10:00"),
        "few.csv": text(CURVE.head(19)),
        "repeated.csv": text(pd.concat([CURVE.head(10)] * 9)),
        "white_noise.csv": text(CURVE.assign(mag=15 + rng.normal(0, 0.2, EPOCHS))),
        "other_band.csv": text(CURVE.assign(band="zr")),
        "no_band.csv": text(CURVE.assign(band="")),
        "seconds.csv": text(CURVE.assign(time=(CURVE["time"] - 40587) * 86400)),
        "bad.parquet": b"PAR1" + bytes(40) + b"PAR1",
        "text.parquet": b"hello",
        "text.fits": b"SIMPLE  =                    T" + b" " * 50,
        "text.vot": b"<?xml version='1.0'?><VOTABLE>",
        "header.ecsv": b"# %ECSV 1.0\n# ---\n",
        "dates.parquet": serialise(
            "parquet", CURVE.assign(mag=pd.to_datetime(["2015-01-01"] * EPOCHS))
        ),
        "lists.parquet": serialise("parquet", CURVE.assign(mag=[[1.0, 2.0]] * EPOCHS)),
    }
    for word in ("bright", "15.0mag", "<15", "15,5", "--15", "1.5.0", "True", "15 +- 1", "0x0F"):
        files[f"word_{len(files)}.csv"] = insert(7, f'57000.1,"{word}",0.1')
        files[f"word_{len(files)}.csv"] = insert(3, f'"{word}",15.1,0.1')
    for kind in ("fits", "parquet", "vot", "ecsv", "gz", "bz2", "zip"):
        whole = {
            "gz": lambda: gzip.compress(plain, mtime=0),
            "bz2": lambda: bz2.compress(plain),
            "zip": lambda: zipped("a.csv", plain),
        }.get(kind, lambda kind=kind: serialise(kind))()
        for percent in (1, 20, 50, 80, 97):
            if kind == "ecsv" and percent > 1:
                continue  # a text that is cut short between two rows is a text
            name = f"cut_{percent}.{'csv.' * (kind in ('gz', 'bz2'))}{kind}"
            name = name.replace(".zip", "_zip.csv")
            files[name] = whole[: len(whole) * percent // 100]
    return files


def make_sound() -> dict[str, bytes]:
    """Return files that look odd and are light curves all the same."""
    plain = text(CURVE)
    return {
        "plain.csv": plain,
        "semicolons.txt": text(CURVE, sep=";"),
        "tabs.dat": text(CURVE, sep="\t"),
        "blanks.lc": text(CURVE, sep=" "),
        "pipes.txt": text(CURVE, sep="|"),
        "bare.dat": text(CURVE, sep=" ", header=False),
        "commented.dat": b"# a star\n# time mag mag_err\n" + text(CURVE, sep=" ", header=False),
        "returns.csv": plain.replace(b"\n", b"\r\n"),
        "bom.csv": b"\xef\xbb\xbf" + plain,
        "utf16bom.csv": plain.decode().encode("utf-16"),
        "latin.csv": "# Größe\n".encode("latin-1") + plain,
        "upper.CSV": plain.upper(),
        "aliases.csv": text(CURVE.set_axis(["MJD", "Magnitude", "e_mag"], axis=1)),
        "more.csv": text(CURVE.assign(airmass="x", night=1)),
        "bands.csv": text(pd.concat([CURVE.assign(filt="G"), CURVE.assign(filt="zr", mag=1)])),
        "small.csv.gz": gzip.compress(plain),
        "small.csv.bz2": bz2.compress(plain),
        "a.fits": serialise("fits"),
        "a.vot": serialise("vot"),
        "a.xml": serialise("vot"),
        "a.ecsv": serialise("ecsv"),
        "a.parquet": serialise("parquet"),
        "gaps.csv": insert(5, "57001,,") + b"\n57002,nan,nan\n57003,99.99,9.9\n",
        "shuffled.csv": text(CURVE.sample(frac=1, random_state=1)),
    }


@pytest.fixture(scope="module")
def model():
    """The stack that is shipped for RRab stars in Gaia's G band."""
    shipped = pytest.importorskip("metalyra.predict.shipped")
    return shipped.locate_model("metalyra_g")


def run(stars_file, light_curves, folder, model, **reading) -> pd.DataFrame:
    """Read, fit and predict own stars, and return what the workflow would write of them."""
    from metalyra.predict.prediction import predict_stars

    stars = ingest(survey("own", reading), [stars_file], [light_curves], "G", folder, 1)
    fits, folded = fit_stars(stars, read_table(folder / "0.parquet"), {}, 1)
    chosen = select_stars(fits, stars, "RRab")
    predictions = predict_stars(model, chosen, folded, band="G")
    ledger = make_ledger(
        [StageTable(stage, "own", table) for stage, table in (("stars", stars), ("fit", fits))]
    )
    assert ledger["given"].eq(len(stars)).all()
    rows = make_sample_rows("own", "G", stars, fits, [Estimate(predictions, "x", "metalyra_g")])
    output = append_given(rows, stars)
    assert len(output) == len(stars)
    assert set(output["status"].str.replace(r"^cut:.*", "ok", regex=True)) <= set(STATUSES)
    silent = (output["status"] != "ok") & (output["reason"].str.len() < 10)
    assert not silent.any(), output[silent][["star_id", "status", "reason"]]
    return output


def stem(name: str) -> str:
    return re.sub(r"\.(csv|dat|lc|txt|fits|vot|xml|ecsv|parquet|gz|bz2|CSV)", "", name)


@pytest.fixture(scope="module")
def from_folder(tmp_path_factory, model):
    """Own stars with light curves that are files of a folder, sound and not."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "curves").mkdir()
    names = []
    for kind, files in (("good", make_sound()), ("bad", make_garbage())):
        for number, (name, data) in enumerate(files.items()):
            star, ending = f"{kind}_{number}_{stem(name)}", name.removeprefix(stem(name))
            (folder / "curves" / f"{star}{ending}").write_bytes(data)
            names.append(star)
    periods = [SOUND.period] * len(names)
    (folder / "stars.csv").write_text(
        "star_id,period,remark\n"
        + "".join(f"{name},{period!r},x\n" for name, period in zip(names, periods, strict=True))
    )
    return names, run(folder / "stars.csv", folder / "curves", folder / "out", model)


def test_no_garbage_is_a_light_curve_and_every_star_is_there(from_folder):
    names, output = from_folder
    assert output["star_id"].tolist() == names
    assert len(names) > 140
    bad = output[output["star_id"].str.startswith("bad_")]
    accepted = bad[bad["status"] == "ok"]
    assert accepted.empty, accepted[["star_id", "feh"]]
    unread = bad[bad["status"] == "unreadable_light_curve"]
    assert len(unread) > 80
    # The file is named, and is the star's own.
    named = [
        f"/curves/{star}" in reason
        for star, reason in zip(unread["star_id"], unread["reason"], strict=True)
    ]
    assert all(named), unread[~np.array(named)][["star_id", "reason"]]
    foul = bad["reason"].str.contains("Traceback|[A-Z]\\w+Error\\b|\n", regex=True)
    assert not foul.any(), bad[foul]["reason"].tolist()


def test_what_is_a_light_curve_is_none_the_worse_for_its_looks(from_folder):
    _, output = from_folder
    good = output[output["star_id"].str.startswith("good_")]
    assert good["status"].tolist() == ["ok"] * len(good), good[["star_id", "status", "reason"]]
    assert np.ptp(good["feh"]) < 0.02
    # The fit may reject a point, by the folds that it draws for each name.
    assert good["n_epochs"].between(EPOCHS - 1, EPOCHS).all()


ODD_NAMES = [
    *(
        "a/b",
        "../x",
        "/etc/passwd",
        "a,b",
        'say "hi"',
        "two words",
        "ünï¢ødé",
        "星",
        "-x",
        "~",
        ".",
    ),
    *("..", "$HOME", "a;b", "a|b", "nan", "NA", "None", "007", "1e5", "4071632917964102401"),
    *("x" * 300, "a\tb", "a'b", "*", "%s", "{x}", "<b>", "\\n", "&amp;", "a#2", "True", "0"),
]
ODD_PERIODS = [
    *("", "nan", "abc", "-0.5", "0", "1e300", "inf", "-inf", "0,55", "0.55 d", "0.55?", "13:12"),
    *("100", "1e-5", "0x1", "1e-400", "NULL", "--", "2015-01-01", "0.5512e", "true", "1_0"),
]


@pytest.fixture(scope="module")
def from_long_table(tmp_path_factory, model):
    """Own stars with odd names and periods, their light curves in one table."""
    folder = tmp_path_factory.mktemp("long")
    stars = [(name, repr(SOUND.period)) for name in ODD_NAMES]
    stars += [(f"period {number}", period) for number, period in enumerate(ODD_PERIODS)]
    stars += [(ODD_NAMES[0], repr(SOUND.period)), ("wrong", repr(SOUND.period * 1.2345))]
    table = pd.DataFrame(stars, columns=["Name", "P"])
    table.assign(note=[f"n{row}" for row in range(len(table))]).to_csv(
        folder / "stars.csv", index=False
    )
    curves = [CURVE.assign(Name=name) for name in dict.fromkeys(table["Name"])]
    pd.concat(curves).sample(frac=1, random_state=2).to_csv(folder / "lc.csv", index=False)
    return table, run(folder / "stars.csv", folder / "lc.csv", folder / "out", model)


def test_a_star_may_have_any_name(from_long_table):
    table, output = from_long_table
    assert output["star_id"].tolist() == table["Name"].str.strip().tolist()
    assert output["note"].tolist() == [f"n{row}" for row in range(len(table))]
    named = output[: len(ODD_NAMES)]
    assert named["status"].tolist() == ["ok"] * len(named), named[["star_id", "status", "reason"]]
    assert np.ptp(named["feh"]) == pytest.approx(0, abs=0.02)


def test_no_odd_period_has_a_metallicity(from_long_table):
    _, output = from_long_table
    rest = output[len(ODD_NAMES) :]
    assert not (rest["status"] == "ok").any(), rest[["star_id", "status", "feh"]]
    kinds = dict(zip(ODD_PERIODS, rest["status"], strict=False))
    assert kinds["100"] == kinds["1e-5"] == "implausible_period"
    assert rest["status"].iloc[-2] == "duplicate_id"
    reasons = dict(zip(ODD_PERIODS, rest["reason"], strict=False))
    assert reasons["0.55?"] == "its period is '0.55?', which is not a number"
    assert reasons[""] == "the star list has no period of it"


STAR_LISTS: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n\n",
    "comment": b"# x\n",
    "page": b"<html>404</html>",
    "paper": b"%PDF-1.5",
    "picture": b"\x89PNG\r\n",
    "nul": b"star_id,period\na\0,0.5\n",
    "bytes": bytes(range(256)),
    "no header": b"a,0.5\nb,0.6\n",
    "no name": b"star_id,period\n,0.5\n",
    "blank name": b'star_id,period\na,0.5\n"  ",0.5\n',
    "mistyped name": b"str_id,period\na,0.5\n",
    "mistyped period": b"star_id,perid\na,0.5\n",
    "no period": b"star_id,mag\na,0.5\n",
    "no periods": b"star_id,period\na,\nb,\n",
    "two names": b"id,name,period\na,b,0.5\n",
    "two periods": b"id,P,per\na,0.5,0.5\n",
    "two positions": b"id,period,ra,RAJ2000\na,0.5,1,1\n",
    "same column": b"id,period,x,x\na,0.5,1,1\n",
    "short row": b"id,period\na\n",
    "long row": b"id,period\na,0.5,7\n",
    "open quote": b'id,period\n"a,0.5\n',
    "bad metallicity": b"id,period,feh\na,0.5,low\n",
    "bad error": b"id,period,feh,e_feh\na,0.5,-1,big\n",
    "huge cell": b"id,period\n" + b"a" * 200_000 + b",0.5\n",
    "cut gz": gzip.compress(b"id,period\na,0.5\n" * 99, mtime=0)[:-8],
    "zero gz": b"\x1f\x8b",
    "gz of gz": gzip.compress(gzip.compress(b"id,period\n")),
    "cut zip": zipped("a.csv", b"id,period\na,0.5\n")[:-30],
    "zip of zip": zipped("a.zip", zipped("a.csv", b"id,period\n")),
    "empty zip": b"PK\x05\x06" + bytes(18),
    "cut fits": serialise("fits")[:3000],
    "cut parquet": serialise("parquet")[:300],
    "cut votable": serialise("vot")[:300],
    "light curve": text(CURVE),
    "float names": serialise("parquet", pd.DataFrame({"id": [4e18, 1.5], "period": [0.5, 0.5]})),
    "json": b'[{"id": "a", "period": 0.5}]',
    "sheet": zipped("xl/workbook.xml", b"<workbook/>"),
    "wrong unit": b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: string}\n"
    b"# - {name: period, unit: Jy, datatype: float64}\nid period\na 0.5\n",
}
ADVICE = re.compile(
    r"columns: \{|did you mean|it has|header|empty|unpack|damaged|cut short|not a table|not a FITS"
    r"|not a VOTable|web page|no star_id|save it|which is no|two columns|cells|expected|leave the"
    r"|bytes that are no text|compressed|row \d+"
)


@pytest.mark.parametrize("case", STAR_LISTS)
def test_a_wrong_star_list_is_refused_in_one_line(tmp_path, case):
    path = tmp_path / "my stars.csv"
    path.write_bytes(STAR_LISTS[case])
    (tmp_path / "lc.csv").write_bytes(text(CURVE.assign(id="a")))
    with pytest.raises((SurveyError, ContainerError)) as caught:
        ingest(survey("own"), [path], [tmp_path / "lc.csv"], "G", tmp_path / "out", 1)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message.strip()
    assert len(message) < 600
    assert ADVICE.search(message), message


LONG_TABLES: dict[str, bytes] = {
    "empty": b"",
    "header": b"mag,time\n",
    "no id": text(CURVE),
    "no time": text(CURVE.assign(id="a").drop(columns="time")),
    "no mag": text(CURVE.assign(id="a").drop(columns="mag")),
    "two times": text(CURVE.assign(id="a", mjd=1)),
    "fluxes": text(CURVE.assign(id="a").rename(columns={"mag": "flux"})),
    "other band": text(CURVE.assign(id="a", band="zr")),
    "page": b"<html></html>",
    "paper": b"%PDF-1.5",
    "bytes": bytes(range(256)),
    "cut gz": gzip.compress(text(CURVE.assign(id="a")), mtime=0)[:-20],
    "zero gz": b"\x1f\x8b",
    "gz of gz": gzip.compress(gzip.compress(b"x" * 99)),
    "cut bz2": bz2.compress(text(CURVE.assign(id="a")))[:-20],
    "cut zip": zipped("a.csv", text(CURVE.assign(id="a")))[:-40],
    "two in a zip": b"",
    "cut parquet": serialise("parquet")[:200],
    "cut fits": serialise("fits")[:3000],
    "cut votable": serialise("vot")[:400],
    "open quote": b'id,time,mag\n"a,1,15\n',
    "huge cell": b"id,time,mag\na,1," + b"9" * 200_000 + b"\n",
    "dates for magnitudes": serialise(
        "parquet", CURVE.assign(id="a", mag=pd.to_datetime(["2015-01-01"] * EPOCHS))
    ),
    "float names": serialise("parquet", CURVE.assign(id=1.5)),
}


@pytest.mark.parametrize("case", LONG_TABLES)
def test_a_wrong_long_table_is_refused_in_one_line(tmp_path, case):
    path = tmp_path / "curves.csv"
    path.write_bytes(LONG_TABLES[case])
    (tmp_path / "s.csv").write_text("id,period\na,0.5\n")
    with pytest.raises((SurveyError, ContainerError)) as caught:
        ingest(survey("own"), [tmp_path / "s.csv"], [path], "G", tmp_path / "out", 1)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message.strip()
    more = re.compile(r"magnitude_zero_point|set band to|which is no number|put a table")
    assert ADVICE.search(message) or more.search(message), message


@pytest.fixture
def given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves/a.csv").write_bytes(text(CURVE))
    (tmp_path / "empty").mkdir()
    (tmp_path / "stars.csv").write_text(f"star_id,period\na,{SOUND.period}\n")
    return {
        **{"stars": "stars.csv", "lightcurves": "curves", "model": "dg22_g", "band": "G"},
        "output": "feh.csv",
    }


def complain(keys: dict) -> list[str]:
    """Return what is wrong with a command line, as a run would say it."""
    study = {**read_yaml(ROOT / "config/apply.yaml"), **keys}
    try:
        config = resolve_config(study, read_yaml(ROOT / "resources/relations.yaml"))
    except ConfigurationError as error:
        return error.problems
    return find_wrong_paths(config, {})


KEYS = ("stars", "lightcurves", "model", "band", "output")
WRONG_VALUES = [
    *(("stars", value) for value in ("star.csv", "Stars.csv", "curves", "", ".", "~/x", 7, ["a"])),
    *(("lightcurves", value) for value in ("curve", "curves/b", "empty", "", None, True)),
    *(("model", value) for value in ("dg22", "DG22_G", "", "dg22_g ", "../x", "nothing", 5, None)),
    *(("band", value) for value in ("K", "g", "I", "", "G;rm", "?", 3, None, ["G"], "B" * 99)),
    *(("output", value) for value in ("feh", "feh.txt", "", "stars.csv", "curves/x.csv", 1)),
    ("time_scale", "noon"),
    ("time_scale", "MJD to"),
    ("time_scale", 5),
    ("magnitude_zero_point", "AB"),
    ("columns", "mag"),
    ("columns", {"magg": "x"}),
    ("columns", {"mag": 5}),
    ("survey", "sdss"),
    ("survey", "gaia_dr3"),
    ("other_band", "perhaps"),
    ("cuts", {"snr": "high"}),
    ("chunks", 0),
    ("seed", -1),
    ("mirror", "nowhere"),
]


def test_a_right_command_line_has_no_problem(given):
    assert complain(given) == []


@pytest.mark.parametrize(("key", "value"), WRONG_VALUES)
def test_a_wrong_value_is_named_with_its_key(given, key, value):
    problems = complain({**given, key: value})
    assert problems
    assert any(re.match(rf"{key}\b|the key|models\.", problem) for problem in problems), problems
    assert all("\n" not in problem and len(problem) < 700 for problem in problems)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("change", ["missing", "shorter", "longer", "swapped", "upper"])
def test_a_mistyped_key_is_named_with_what_is_meant(given, key, change):
    mistyped = {
        "shorter": key[:-1],
        "longer": f"{key}{key[-1]}",
        "swapped": key[0] + key[2] + key[1] + key[3:],
        "upper": key.upper(),
    }.get(change)
    keys = {name: value for name, value in given.items() if name != key}
    problems = complain({**keys, mistyped: given[key]} if mistyped else keys)
    assert any(f"the key {key} is missing" in problem for problem in problems), problems
    if mistyped and change != "upper":
        assert any(repr(mistyped) in problem and key in problem for problem in problems)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stars": "nowhere.csv"}, "stars: there is no 'nowhere.csv'"),
        ({"model": "metalyra"}, "model: 'metalyra' is unknown"),
        ({"bnad": "G"}, "the key 'bnad' is unknown; did you mean band?"),
    ],
)
def test_a_run_says_the_same(given, new_project, changes, said):
    project = new_project()
    keys = [f"{key}={value}" for key, value in {**given, **changes}.items()]
    status, output = project.attempt(
        *("--cores", "1", "--configfile", "config/apply.yaml", "--config", *keys),
        METALYRA_MIRROR="",
    )
    assert status != 0
    assert said in output
    assert "Traceback" not in output
