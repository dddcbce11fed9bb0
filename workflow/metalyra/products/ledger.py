"""The account of every star: how many each stage was given, and what became of them.

A star that enters a study leaves it in the catalogue, with a value or with the reason
why it has none. `make_ledger` counts stars by stage and status and refuses to count
where a stage has lost, doubled or invented one.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from metalyra.core.statuses import OK, STATUSES, check_status, describe_status, restore_star_id

STAGES = ("stars", "match", "periods", "fit", "label", "develop", "predict", "catalogue")
"""The stages a star passes, in order."""

NO_MODEL = "-"
"""What the ledger's `model` column holds for the stages that know no model."""

COLUMNS = ("stage", "sample", "model", "status", "stars", "given", "description")

# The stages whose status a stage inherits: the first of them that the sample went through.
_GIVEN_BY: Mapping[str, tuple[str, ...]] = {
    "stars": (),
    "match": ("stars",),
    "periods": ("match", "stars"),
    "fit": ("periods", "match", "stars"),
    "label": ("fit", "periods", "match", "stars"),
    "develop": ("fit", "periods", "match", "stars"),
    "predict": ("fit", "periods", "match", "stars"),
    "catalogue": ("fit", "periods", "match", "stars"),
}

# A match brings the period of the reference sample, and with it stars that had none; a catalogue's
# own parameters label stars that have no light curve here.
_REVIVED = {"match": frozenset({"invalid_period"}), "label": frozenset({"no_light_curve"})}

_NAMED_STARS = 5


class LedgerError(Exception):
    """A stage's rows are not the stars it was given, or a status has no meaning."""


@dataclass(frozen=True)
class StageTable:
    """What one stage wrote for one sample.

    Attributes
    ----------
    stage
        One of `STAGES`.
    sample
        Name of the sample.
    table
        At least the columns `star_id` and `status`, one row per star.
    model
        The model, for the stages develop and predict.
    """

    stage: str
    sample: str
    table: pd.DataFrame
    model: str = NO_MODEL

    def __str__(self) -> str:
        model = "" if self.model == NO_MODEL else f", model {self.model}"
        return f"stage {self.stage}, sample {self.sample}{model}"


def count_statuses(
    stage: str, sample: str, table: pd.DataFrame, model: str = NO_MODEL
) -> pd.DataFrame:
    """Count the stars of one stage's table by status.

    Parameters
    ----------
    stage, sample, model
        What the table belongs to.
    table
        At least the column `status`, one row per star.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`: one row per status that occurs and always one for ok, in the
        order of `STATUSES` and then the cuts by name; `given` is the number of rows.

    Raises
    ------
    ValueError
        If a status is unknown.
    """
    counts = table["status"].value_counts()
    known = [status for status in STATUSES if status == OK or status in counts.index]
    others = sorted(set(counts.index) - set(STATUSES))
    return pd.DataFrame(
        [
            (stage, sample, model, status, int(counts.get(status, 0)), len(table), meaning)
            for status, meaning in ((status, describe_status(status)) for status in known + others)
        ],
        columns=list(COLUMNS),
    )


def make_ledger(
    stages: Iterable[StageTable], catalogue: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Count every star of a study by stage, sample, model and status.

    Parameters
    ----------
    stages
        What the stages wrote, in any order; every sample with its stage ``stars``.
    catalogue
        The whole catalogue (columns `sample`, `star_id`, `status`), with the star
        list's own identifiers.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, in the order of `STAGES` and of the samples' star lists. The
        `stars` of one stage, sample and model add up to `given`.

    Raises
    ------
    LedgerError
        If a stage lost, doubled or invented a star, used an unknown status, or did not
        keep the status other than ok that it was given; the message names the stage,
        the sample and up to five stars.
    """
    stages = list(stages)
    known: dict[tuple[str, str], pd.DataFrame] = {}
    for entry in stages:
        if entry.stage not in STAGES:
            raise LedgerError(f"{entry}: unknown stage; allowed: {', '.join(STAGES)}")
        if entry.stage in ("stars", "match", "periods", "fit"):
            known[entry.stage, entry.sample] = entry.table
    samples = [sample for stage, sample in known if stage == "stars"]
    if catalogue is not None:
        _refuse("catalogue", "unknown samples", set(catalogue["sample"]) - set(samples))
        stages += [
            StageTable("catalogue", sample, catalogue[catalogue["sample"] == sample])
            for sample in samples
        ]
    for entry in stages:
        if entry.sample not in samples:
            raise LedgerError(f"{entry}: the sample has no star list")
        _check_stars(entry, known["stars", entry.sample])
        _check_statuses(entry)
    # Statuses are compared only once every table is known to hold the same stars.
    for entry in stages:
        for source in _GIVEN_BY[entry.stage]:
            if (source, entry.sample) in known:
                _check_kept(entry, source, known[source, entry.sample])
                break
    stages.sort(key=lambda entry: (STAGES.index(entry.stage), samples.index(entry.sample)))
    counts = [
        count_statuses(entry.stage, entry.sample, entry.table, entry.model) for entry in stages
    ]
    if not counts:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(counts, ignore_index=True)


def check_rows(star_ids: Iterable[str], listed: Iterable[str], star_list: str) -> None:
    """Check that a table has the stars of a list, all of them, in its order.

    Parameters
    ----------
    star_ids
        Stars of the table, one a row.
    listed
        Stars of the list, one a row.
    star_list
        Name of the list.

    Raises
    ------
    LedgerError
        At the first row that differs.
    """
    pairs = itertools.zip_longest(star_ids, listed, fillvalue=None)
    for row, (found, expected) in enumerate(pairs, start=1):
        if found != expected:
            listed_as = "no star" if expected is None else repr(expected)
            has = "none" if found is None else repr(found)
            raise LedgerError(
                f"row {row} of {star_list} is {listed_as}, of the output {has}: what was made "
                "before is of other stars; run again with --forceall"
            )


def _check_stars(entry: StageTable, stars: pd.DataFrame) -> None:
    """Raise unless the stage's stars are those of the star list, each as often."""
    ids = entry.table["star_id"]
    given = restore_star_id(stars) if entry.stage == "catalogue" else stars["star_id"]
    counts, expected = ids.value_counts(), given.value_counts()
    allowed = expected.reindex(counts.index)
    _refuse(entry, "lost stars", expected.index.difference(counts.index))
    _refuse(entry, "invented stars", counts.index[allowed.isna()])
    _refuse(entry, "has stars more than once", counts.index[counts > allowed])
    # Only a catalogue may repeat an identifier, as often as the star list does.
    _refuse(entry, "lost stars that share an identifier", counts.index[counts < allowed])
    if entry.stage != "catalogue":
        _refuse(entry, "has stars more than once", counts.index[counts > 1])


def _check_statuses(entry: StageTable) -> None:
    """Raise unless every status has a meaning."""
    table = entry.table
    for status in table["status"].unique():
        try:
            check_status(status)
        except (ValueError, AttributeError):
            ids = table.loc[table["status"].isin([status]), "star_id"]
            _refuse(entry, f"has the unknown status {status!r}", ids)


def _check_kept(entry: StageTable, source: str, given: pd.DataFrame) -> None:
    """Raise unless the stage kept every status other than ok that it was given."""
    if entry.stage == "catalogue":
        # Rows that share an identifier are matched in order: by the unique key of the row.
        given = given.assign(star_id=restore_star_id(given))
    before = _status_by_row(given)
    after = _status_by_row(entry.table).reindex(before.index)
    settled = ~before.isin([OK, *_REVIVED.get(entry.stage, ())])
    changed = settled.to_numpy() & (before.to_numpy() != after.to_numpy())
    names = [
        f"{star_id} ({old} -> {new})"
        for (star_id, _), old, new in zip(
            before.index[changed], before[changed], after[changed], strict=True
        )
    ]
    _refuse(entry, f"changed the status given by {source} of", names)


def _status_by_row(table: pd.DataFrame) -> pd.Series:
    """Return the status by star and, for repeated identifiers, by its place among them."""
    rows = table[["star_id", "status"]].copy()
    # The first row of an identifier is the star, the others are its duplicates.
    rows["first"] = rows["status"] != "duplicate_id"
    rows = rows.sort_values("first", ascending=False, kind="stable")
    place = rows.groupby("star_id").cumcount()
    index = pd.MultiIndex.from_arrays([rows["star_id"], place])
    return pd.Series(rows["status"].to_numpy(), index=index)


def _refuse(entry: StageTable | str, problem: str, star_ids: Iterable[str]) -> None:
    """Raise for the stars that have a problem, if there are any."""
    names = sorted(map(str, star_ids))
    if names:
        shown = ", ".join(names[:_NAMED_STARS])
        more = f" and {len(names) - _NAMED_STARS} more" if len(names) > _NAMED_STARS else ""
        raise LedgerError(f"{entry} {problem}: {shown}{more}")
