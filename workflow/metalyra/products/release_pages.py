"""What goes with the table of a data release: README, citations, licence."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from metalyra.core.statuses import OK, STATUSES, describe_status
from metalyra.core.tables import BY, describe
from metalyra.label.relations import AS_PUBLISHED

LICENCES: Mapping[str, tuple[str, str]] = {
    "CC0-1.0": (
        "Creative Commons CC0 1.0 Universal",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    ),
    "CC-BY-4.0": (
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/",
    ),
    "CC-BY-SA-4.0": (
        "Creative Commons Attribution-ShareAlike 4.0 International",
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ),
}
"""Name and address of licences that are known by their SPDX identifiers."""


@dataclass(frozen=True)
class Release:
    """What a data release is, beside its table and provenance.

    Attributes
    ----------
    study
        Name of the study.
    settings
        The part of its configuration with `samples` (the released ones), `labels`, `models`,
        `predict`, and `data_release`, which is complete.
    relations
        As resources/relations.yaml has them, with those of the study.
    cards
        Of the models that are applied to the samples, by name.
    """

    study: str
    settings: Mapping[str, Any]
    relations: Mapping[str, Mapping[str, Any]]
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def about(self) -> Mapping[str, Any]:
        """Return what the configuration says of the release itself."""
        about: Mapping[str, Any] = self.settings["data_release"]
        return about

    @property
    def title(self) -> str:
        """Return the title."""
        return str(self.about["title"])

    @property
    def version(self) -> str:
        """Return the version of the data."""
        return str(self.about["version"])

    @property
    def licence(self) -> str:
        """Return the licence of the data, an SPDX identifier or a text."""
        return str(self.about["licence"])

    def relation_of(self, model: str) -> str:
        """Return the relation that a model has learnt, of whose scale its values are."""
        if model in self.cards:
            return str(self.cards[model]["relation"])
        settings = self.settings["models"][model]
        return str(settings.get("relation") or self.settings["labels"][settings["labels"]])

    def used_relations(self) -> list[str]:
        """Return the relations of the released values and of the models' labels, each once."""
        samples = self.settings["samples"]
        labels = [relation for name, relation in self.settings["labels"].items() if name in samples]
        return list(dict.fromkeys([*map(self.relation_of, self.applied_models()), *labels]))

    def applied_models(self) -> list[str]:
        """Return the models that are applied to the released samples, each once."""
        return list(dict.fromkeys(entry["model"] for entry in self.settings["predict"]))


def read_release(
    study: str,
    settings: Mapping[str, Any],
    relations: Sequence[Path | str],
    cards: Sequence[Path | str],
) -> Release:
    """Return what a data release is, of the files that say it.

    Parameters
    ----------
    study, settings
        Of `Release`.
    relations
        YAML files of relations.
    cards
        Of the models, in the order of the first prediction of each.
    """
    known: dict[str, Any] = {}
    for path in relations:
        known |= yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    models = dict.fromkeys(entry["model"] for entry in settings["predict"])
    contents = [json.loads(Path(path).read_text(encoding="utf-8")) for path in cards]
    return Release(study, settings, known, dict(zip(models, contents, strict=True)))


def write_readme(table: pd.DataFrame, release: Release, provenance: Mapping[str, Any]) -> str:
    """Return the page that explains a data release, as Markdown.

    Parameters
    ----------
    table
        As `metalyra.products.data_release.make_release_table` returns it.
    release
        What it is.
    provenance
        As `metalyra.products.data_release.write_data_release` takes it.
    """
    sections = {
        release.title: _introduce(table, release, provenance),
        "Files": _FILES,
        "Stars": _count_stars(table),
        "Where the metallicities come from": "\n\n".join(_describe_estimates(table, release)),
        "Errors and intervals": _ERRORS,
        "Known limits": _list(_limits(table, release, provenance)),
        "Statuses": _explain_statuses(table),
        "Columns": _explain_columns(table),
        "How to cite": _CITE.format(licence=_name_licence(release)),
    }
    parts = [
        f"{'#' if title == release.title else '##'} {title}\n\n{text.strip()}\n"
        for title, text in sections.items()
    ]
    return "\n".join(parts)


_FILES = """\
| file | content |
|---|---|
| `catalogue.vot` | the table as VOTable (BINARY2), with units, UCDs and descriptions |
| `catalogue.fits` | the same as FITS binary table, with TUNIT, TUCD and TCOMM cards |
| `catalogue.parquet` | the same as Parquet, with unit, ucd and description by column |
| `provenance.json` | sources (origin, query, day, size, SHA-256), software, configuration |
| `CITATION.md`, `CITATION.bib` | what to cite |
| `LICENCE` | of these data, and of those that they are made of |
| `SHA256SUMS` | check sums: `sha256sum --check SHA256SUMS` |

One row is one star of one sample. Missing numbers are NaN, missing texts empty."""

_ERRORS = """\
`feh_err` is one number for one question: within what distance of the value is the spectroscopic
[Fe/H] of the star, on the scale of the relation, in 68 % of cases? It is the sum in quadrature of

- `feh_err_light_curve`: the noise of the light curve; networks have it within `feh_err_model`;
- `feh_err_model`: what remains of the differences between model and label on stars that the model
  has not seen; relations have none;
- `feh_err_relation`: the scatter of spectroscopic metallicities about the relation, where that is
  known and, of a relation's own values, the errors of its coefficients, which all stars share.

The bounds `feh_low_68` to `feh_high_95` are those of intervals, not of `feh_err` scaled. Those of a
model are conformal: their widths are quantiles of the differences between model and label, in units
of their errors, on stars that the model was not trained on. Those of a relation are of a Gaussian.
`feh_std` is the spread of an ensemble's members, and no error."""

_CITE = """\
Cite this release and the papers whose data, relations and models it is made of: `CITATION.md` has
them as text, `CITATION.bib` for BibTeX. Licence: {licence}, see `LICENCE`."""


def _introduce(table: pd.DataFrame, release: Release, provenance: Mapping[str, Any]) -> str:
    about = release.about
    year = f", {about['year']}" if "year" in about else ""
    facts = [
        f"Version {release.version}{year}, by {_join(_plain(about['authors']))}.",
        *([f"Contact: {about['contact']}."] if "contact" in about else []),
        *([f"DOI: {about['doi']}."] if "doi" in about else []),
    ]
    values = int(table["feh"].notna().sum())
    measured = int((table["status"] == OK).sum())
    paragraphs = [
        about["description"],
        " ".join(facts),
        f"{len(table):,} stars; {measured:,} have a metallicity of status `ok`, "
        f"{values - measured:,} more have one with a caveat. Made by MetaLyra "
        f"{provenance['software']['metalyra']}, study `{release.study}`.",
    ]
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs if paragraph.strip())


def _count_stars(table: pd.DataFrame) -> str:
    """Return how many stars there are by sample, pulsation type and status."""
    rows = ["| sample | pulsation type | status | stars | with a value |", "|---|---|---|---|---|"]
    order = {status: place for place, status in enumerate(STATUSES)}
    groups = table.groupby(["sample", "pulsation_type", "status"], sort=False)["feh"]
    counts = groups.agg(["size", "count"]).reset_index()
    samples = {name: place for place, name in enumerate(table["sample"].unique())}
    counts["place"] = counts["status"].map(lambda status: order.get(status, len(order)))
    counts["first"] = counts["sample"].map(samples)
    for row in counts.sort_values(["first", "pulsation_type", "place", "status"]).to_dict(
        "records"
    ):
        kind = row["pulsation_type"] or "unknown"
        rows.append(
            f"| {row['sample']} | {kind} | `{row['status']}` | {row['size']:,} | {row['count']:,} |"
        )
    return "\n".join(rows)


def _describe_estimates(table: pd.DataFrame, release: Release) -> Iterator[str]:
    """Give a paragraph on the preferred value and on every model and relation."""
    yield (
        "The columns `feh`, `feh_err` and their like have the preferred value: of the estimates in "
        "the order below the first of status `ok`, else the first that has a value. `model` and "
        f"`relation` name it. The columns `<column>{BY}<name>` have the values of each."
    )
    for sample in release.settings["samples"]:
        entries = [entry for entry in release.settings["predict"] if entry["sample"] == sample]
        lines = [_describe_model(entry["model"], table, release) for entry in entries]
        if sample in release.settings["labels"]:
            lines.append(_describe_relation(release.settings["labels"][sample], release))
        lines = lines or ["none: no model or relation is configured for it"]
        yield f"Sample `{sample}`:\n\n" + _list(lines)


def _describe_model(model: str, table: pd.DataFrame, release: Release) -> str:
    card = release.cards.get(model, {})
    settings = release.settings["models"][model]
    metrics = card.get("metrics") or {}
    union, coverage = metrics.get("union"), metrics.get("coverage")
    kind = card.get("pulsation_type")
    used = int((table["model"] == model).sum())
    words = [
        f"`{model}`: a model{f' for {kind} stars' if kind else ''}, preferred for {used:,} stars."
    ]
    if text := card.get("description") or settings.get("description"):
        words.append(" ".join(str(text).split()))
    words.append(f"Scale of [Fe/H]: {_describe_scale(release.relation_of(model), release)}.")
    if "sample" in settings:
        labels = settings.get("labels", settings["sample"])
        further = [f"`{name}`" for name in settings.get("further_samples", [])]
        besides = f", and on {_join(further)}" if further else ""
        words.append(
            f"Trained on the sample `{settings['sample']}`, with the labels of `{labels}`{besides}."
        )
    if union:
        words.append(
            f"By cross-validation on its {union['n']:,} training stars the RMSE with respect to "
            f"the labels is {union['rmse']:.3f} dex, the median absolute error "
            f"{union['medae']:.3f} dex."
        )
    if coverage:
        held = [
            f"{100 * share:.1f} % of the labels within that of {100 * float(level):g} %"
            for level, share in coverage.items()
        ]
        words.append(f"Intervals calibrated on the other folds hold {_join(held)}.")
    if card and not card.get("calibration"):
        words.append("Its errors are not calibrated.")
    return " ".join(words)


def _describe_relation(relation: str, release: Release) -> str:
    return (
        f"`{relation}`: the relation itself. Scale of [Fe/H]: {_describe_scale(relation, release)}."
    )


def _describe_scale(relation: str, release: Release) -> str:
    source = str(release.relations.get(relation, {}).get("source", "see the configuration"))
    scatters = [
        f"{part['scatter']:.3f} dex ({kind})"
        for kind, part in release.relations.get(relation, {}).items()
        if isinstance(part, Mapping) and part.get("scatter") is not None
    ]
    known = f"; scatter of spectra about it {_join(scatters)}" if scatters else ""
    return f"`{relation}`, {' '.join(source.split())}{known}"


def _limits(table: pd.DataFrame, release: Release, provenance: Mapping[str, Any]) -> Iterator[str]:
    """Give what a user should know before using the values."""
    yield "[Fe/H] of stars of different models or relations are on the scales named above."
    yield (
        "A value with a status other than `ok` has a caveat, and its error does not know it; leave "
        "such stars out, or look at `reason`."
    )
    yield (
        "Errors are calibrated on stars like those of the training sets. The value of a star that "
        "a model was trained on (`in_training`) is of the members that have not seen it."
    )
    if (share := float(table["feh_err"].isna()[table["feh"].notna()].mean())) > 0:
        yield f"{100 * share:.1f} % of the values have no error: their relation's is not known."
    flags = [
        name for name, s in release.settings["samples"].items() if "without_flags" in s["survey"]
    ]
    if flags:
        yield f"Every transit counts for {_join(flags)}, also those that the archive has rejected."
    if any(source["from"] == "simulated" for source in provenance["sources"]):
        yield "The sky is a simulated one: no star of it exists."
    yield from release.about["limits"]


def _explain_statuses(table: pd.DataFrame) -> str:
    names = [column for column in map(str, table) if column.partition(BY)[0] == "status"]
    found = {str(status) for column in names for status in table[column].unique()}
    order = [*(name for name in STATUSES if name in found), *sorted(found - {*STATUSES})]
    rows = [f"| `{name}` | {describe_status(name)} |" for name in order]
    kept = (
        "A star of status `cut:<column>`, `unlike_training` or `outside_training_range` keeps its "
        "value; the others but `ok` have none."
    )
    return "\n".join(["| status | meaning |", "|---|---|", *rows]) + f"\n\n{kept}"


def _explain_columns(table: pd.DataFrame) -> str:
    rows = ["| column | type | unit | UCD | meaning |", "|---|---|---|---|---|"]
    for name in map(str, table):
        column = describe(name)
        kind = {"i": "integer", "b": "boolean", "f": "double"}.get(table[name].dtype.kind, "text")
        rows.append(f"| `{name}` | {kind} | {column.unit} | {column.ucd} | {column.description} |")
    return "\n".join(rows)


def list_citations(release: Release, provenance: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the papers of the data and of the relations, each citation once.

    Returns
    -------
    dict
        Citations by what they are of: ``Data`` and ``Relations``.
    """
    sources = [source["citation"] for source in provenance["sources"] if source.get("citation")]
    relations = [
        " ".join(str(release.relations[name]["source"]).split())
        for name in release.used_relations()
        if name in release.relations and name != AS_PUBLISHED
    ]
    found = {"Data": dict.fromkeys(sources), "Relations": dict.fromkeys(relations)}
    return {kind: list(citations) for kind, citations in found.items() if citations}


def write_citation(release: Release, provenance: Mapping[str, Any]) -> str:
    """Return how a data release is cited, as Markdown; parameters as of `write_readme`."""
    about = release.about
    year = f" ({about['year']})" if "year" in about else ""
    doi = f", doi:{about['doi']}" if "doi" in about else ""
    parts = [
        "# How to cite\n",
        f"{_join(_plain(about['authors']))}{year}: {release.title}, version {release.version}"
        f"{doi}.\n",
        f"Software: MetaLyra {provenance['software']['metalyra']}.\n",
    ]
    for kind, citations in list_citations(release, provenance).items():
        parts.append(f"## {kind}\n\n{_list(citations)}\n")
    credits = dict.fromkeys(
        source["licence"] for source in provenance["sources"] if source.get("licence")
    )
    if any("ESA/Gaia" in credit for credit in credits) or _asks_gaia(provenance):
        parts.append(f"## Acknowledgement\n\n{_GAIA_CREDIT}\n")
    return "\n".join(parts)


_GAIA_CREDIT = """\
This work has made use of data from the European Space Agency (ESA) mission Gaia
(https://www.cosmos.esa.int/gaia), processed by the Gaia Data Processing and Analysis Consortium
(DPAC, https://www.cosmos.esa.int/web/gaia/dpac/consortium). Funding for the DPAC has been provided
by national institutions, in particular the institutions participating in the Gaia Multilateral
Agreement."""


def _asks_gaia(provenance: Mapping[str, Any]) -> bool:
    return any(
        str(source.get("archive", "")).startswith("gaia") for source in provenance["sources"]
    )


def write_bibliography(release: Release, provenance: Mapping[str, Any]) -> str:
    """Return the release and its papers for BibTeX; parameters as of `write_readme`.

    The citations of the registries have no titles; one that is no paper becomes a note.
    """
    about = release.about
    own = {
        "author": _names(about["authors"]),
        "title": f"{{{release.title}}}",
        "year": str(about.get("year", "")),
        "version": release.version,
        "doi": str(about.get("doi", "")),
    }
    software = {
        "author": "{The MetaLyra developers}",
        "title": "{MetaLyra: metallicities of RR Lyrae stars from their light curves}",
        "version": str(provenance["software"]["metalyra"]),
    }
    entries = {release.study: ("misc", own), "metalyra": ("software", software)}
    citations = [text for texts in list_citations(release, provenance).values() for text in texts]
    notes: list[str] = []
    for paper in dict.fromkeys(paper for text in citations for paper in find_papers(text)):
        entries[_free_key(paper.key, entries)] = ("article", paper.fields())
    for text in citations:
        if not find_papers(text) and text not in notes:
            notes.append(text)
            entries[_free_key("source", entries)] = ("misc", {"note": f"{{{text}}}"})
    return "\n".join(_write_entry(kind, key, fields) for key, (kind, fields) in entries.items())


@dataclass(frozen=True)
class Paper:
    """A paper as citations of the registries name it."""

    authors: str
    year: str
    journal: str
    volume: str
    page: str

    @property
    def key(self) -> str:
        """Return the key of its entry: first author and year, in ASCII letters and digits."""
        first = re.split(r", | & | et al\.", self.authors)[0].split("Collaboration")[0]
        plain = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode()
        return re.sub(r"[^a-z]", "", plain.lower()) + self.year

    def fields(self) -> dict[str, str]:
        """Return the fields of its entry."""
        authors = [
            name for name in re.split(r", | & ", self.authors.replace(" et al.", ", ")) if name
        ]
        others = ["others"] if "et al." in self.authors else []
        return {
            "author": " and ".join(
                [*(f"{{{name}}}" if " " in name else name for name in authors), *others]
            ),
            "year": self.year,
            "journal": self.journal,
            "volume": self.volume,
            "pages": self.page,
        }


_AUTHORS = r"(?P<authors>[A-Z][^;():]*?)"
_REFERENCE = r"(?P<journal>[A-Z][\w&. ]*?) (?P<volume>\d+), (?P<page>[A-Z]?\d+)"
_PAPER = re.compile(rf"{_AUTHORS} \((?P<year>\d{{4}})(?:\), {_REFERENCE}|(?P<more>,[^()]*)\))")
_FURTHER = re.compile(rf"(?P<year>\d{{4}}), {_REFERENCE}")
_LEAD = re.compile(r"^.*\b(?:of|by) (?=[A-Z])")


def find_papers(citation: str) -> list[Paper]:
    """Return the papers that a citation names, as far as volume and page are given.

    Parameters
    ----------
    citation
        Such as ``Name & Name (2021, ApJ 920, 33; 2022, ApJ 921, 1)``, or ``Name (2021), ApJ
        920, 33``; several with a semicolon between them.
    """
    papers = []
    for match in _PAPER.finditer(citation):
        authors = _LEAD.sub("", match["authors"])
        if match["journal"]:
            parts = ("year", "journal", "volume", "page")
            papers.append(Paper(authors, *(match[part] for part in parts)))
        else:
            inside = f"{match['year']}{match['more']}"
            papers += [Paper(authors, *further.groups()) for further in _FURTHER.finditer(inside)]
    return papers


def _free_key(key: str, taken: Mapping[str, object]) -> str:
    letters = ["", *"bcdefghijklmnopqrstuvwxyz"]
    free: str = next(key + letter for letter in letters if key + letter not in taken)
    return free


def _write_entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])


def _names(authors: Iterable[str]) -> str:
    return " and ".join(authors)


def write_licence(release: Release, provenance: Mapping[str, Any]) -> str:
    """Return the licence of the data and of what they are made of; as of `write_readme`."""
    about = release.about
    year = f"{about['year']} " if "year" in about else ""
    sources: dict[str, list[str]] = {}
    for source in provenance["sources"]:
        citation = source.get("citation")
        if citation and citation not in sources.setdefault(source.get("licence") or "", []):
            sources[source.get("licence") or ""].append(citation)
    parts = [
        f"{release.title}, version {release.version}",
        f"Copyright (c) {year}{_join(_plain(about['authors']))}",
        f"The files of this release are licensed under: {_name_licence(release)}",
    ]
    if any(sources.values()):
        parts.append("They are made of the data of others, which remain under their own terms:")
        parts += [
            f"- {licence or 'the terms of the archive'}: {'; '.join(citations)}"
            for licence, citations in sources.items()
            if citations
        ]
    return "\n\n".join(parts) + "\n"


def _name_licence(release: Release) -> str:
    if release.licence not in LICENCES:
        return release.licence
    name, address = LICENCES[release.licence]
    return f"{name} ({release.licence}), {address}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _plain(authors: Iterable[str]) -> list[str]:
    """Return names without the braces that keep BibTeX from taking them apart."""
    return [name.strip("{}") for name in authors]


def _join(words: Iterable[str]) -> str:
    *first, last = list(words)
    return f"{', '.join(first)} and {last}" if first else last
