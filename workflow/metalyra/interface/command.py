"""The command ``metalyra``: one star printed and drawn, and the models there are."""

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metalyra import __version__
from metalyra.surveys.formats.star_tables import PULSATION_TYPES

_DESCRIPTION = """\
Metallicities of RR Lyrae stars from the shapes of their light curves.

One star at a time is this command's; many stars, and surveys, are the workflow's:
snakemake --configfile config/apply.yaml (see README.md), or metalyra.predict in Python."""

_STAR = """\
Fit the light curve of one star, predict its [Fe/H], print both, and draw them.

The file is a table in text (any separator), ECSV, FITS, VOTable or Parquet, compressed or not,
with columns for time (d), magnitude or flux and, if known, error and band. Usual names (mjd, hjd,
magnitude, e_mag, filter, ...) are understood; others are named with --columns. Text of two or
three columns of numbers needs no header.

A star whose [Fe/H] the model does not vouch for, or that has none, has a status that is not ok,
and a reason."""

_EXAMPLES = """\
examples:
  metalyra star rr_lyrae.csv --period 0.566776 --band G
  metalyra star rr_lyrae.csv --period 0.566776 --band G --figure rr_lyrae.png
  metalyra star epochs.fits --star 4130380472726484608 --period 0.31 --type RRc --band I
  metalyra star curve.txt --period 0.61 --model results/my_survey/models/my_model"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status: 1 if something cannot be done."""
    given = declare().parse_args(arguments)
    try:
        print(given.run(given), flush=True)
    except BrokenPipeError:
        # Who reads the lines has seen enough of them, such as head.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"metalyra: {error}", file=sys.stderr)
        return 1
    return 0


def declare() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        "metalyra", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"MetaLyra {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _declare_star(commands)
    listing = commands.add_parser(
        "models",
        help="list the models that come with MetaLyra",
        description="List the models that come with MetaLyra: the band and type of the stars that "
        "they are for, the number of stars they were trained on, and the RMSE (dex) of stars that "
        "they have not seen.",
    )
    listing.set_defaults(run=list_all)
    return parser


def _declare_star(commands: Any) -> None:
    """Add the command ``metalyra star``."""
    parser = commands.add_parser(
        "star",
        help="fit, print and draw one star",
        description=_STAR,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="table with the light curve")
    parser.add_argument(
        "--period",
        type=float,
        metavar="DAYS",
        help="pulsation period; without it, it is found in the light curve",
    )
    parser.add_argument(
        "--type",
        metavar="TYPE",
        help=f"pulsation type, {' or '.join(PULSATION_TYPES)} (default: RRab, or what the light "
        "curve says if its period is found)",
    )
    parser.add_argument(
        "--band",
        help="photometric band of the light curve; of a table with several, the one to take",
    )
    parser.add_argument(
        "--model",
        help="name of a shipped model (metalyra models) or folder of another (default: the shipped "
        "model for the band and type)",
    )
    parser.add_argument("--star", metavar="ID", help="the star, if the table has several")
    parser.add_argument(
        "--columns",
        metavar="OURS=YOURS",
        nargs="+",
        default=[],
        help="names of columns that are not understood by themselves, such as mag=Imag",
    )
    parser.add_argument(
        "--zero-point",
        type=float,
        metavar="MAG",
        help="magnitude of a flux of 1; without it, fluxes make relative magnitudes",
    )
    parser.add_argument("--figure", type=Path, metavar="PNG", help="file to draw the star into")
    parser.set_defaults(run=describe_star)


def describe_star(given: argparse.Namespace) -> str:
    """Fit and draw one star, and return what is printed."""
    from metalyra.interface.fits import fit
    from metalyra.interface.predictions import choose_model, predict

    if given.figure is not None and given.figure.suffix != ".png":
        raise ValueError(f"--figure: {str(given.figure)!r} does not end in .png")
    star = fit(
        given.file,
        period=given.period,
        pulsation_type=given.type,
        band=given.band,
        star_id=given.star,
        columns=_read_pairs(given.columns),
        magnitude_zero_point=given.zero_point,
    )
    model = given.model or choose_model(star.band, star.pulsation_type)
    lines = []
    if model is None:
        where = f"in {star.band}" if star.band else "in an unknown band; give --band"
        lines = [f"  no [Fe/H]: no shipped model is for {star.pulsation_type} stars {where}"]
    else:
        star = predict(star, model=model)
    if given.figure is not None:
        star.save_figure(given.figure)
        lines.append(f"  drawn in {given.figure}")
    return "\n".join([repr(star), *lines])


def list_all(given: argparse.Namespace) -> str:
    """Return the list of the shipped models."""
    from metalyra.interface.predictions import models

    del given
    table = models()
    if table.empty:
        raise ValueError("no models are shipped with this installation; install MetaLyra again")
    shown = table[["name", "band", "pulsation_type", "n_stars", "rmse", "relation"]]
    said = [f"{row['name']}: {row['description']}" for _, row in table.iterrows()]
    wrapped = [textwrap.fill(text, 92, subsequent_indent="  ") for text in said]
    return "\n\n".join([shown.to_string(index=False, float_format="%.3f"), *wrapped])


def _read_pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return the names of columns by ours."""
    pairs = {}
    for text in texts:
        ours, separator, theirs = text.partition("=")
        if not (ours and separator and theirs):
            raise ValueError(f"--columns: {text!r} is not of the form OURS=YOURS, such as mag=Imag")
        pairs[ours.strip()] = theirs.strip()
    return pairs
