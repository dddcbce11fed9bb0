"""What a paper prints, and which products of a study are to be compared with it.

The files are those of `resources/published`, one a paper.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from metalyra.core.resources import RESOURCES

PUBLISHED = RESOURCES / "published"
"""Folder of what papers print."""


def _check_number(text: str) -> str:
    try:
        finite = Decimal(text).is_finite()
    except InvalidOperation:
        finite = False
    if not finite:
        raise ValueError("it is no number")
    return text


PrintedNumber = Annotated[str, AfterValidator(_check_number)]
"""A number as text, for its last digit says how well it is known."""

Statistic = Literal["number", "mean", "median", "standard deviation", "mode"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PublishedRow(_Part):
    """Numbers of one row of a table, or of one sentence.

    Attributes
    ----------
    printed
        What is printed, by its quantity.
    find
        Values of the columns that tell the row of the product.
    statistic
        What is taken of the product's columns instead, of all rows that are found.
    """

    printed: dict[str, PrintedNumber] = Field(min_length=1)
    find: dict[str, str | int] = {}
    statistic: Statistic | None = None

    @property
    def name(self) -> str:
        """What the row is of, in words."""
        found = ", ".join(str(value) for value in self.find.values())
        return ", ".join(filter(None, (found, self.statistic)))


class PublishedTable(_Part):
    """Numbers that come from one product.

    Attributes
    ----------
    where
        Table, section or figure of the paper.
    of
        What the numbers are, in a line.
    product
        File in the results of the study; None if there is none.
    columns
        The product's columns by quantity, where their names differ.
    tolerances
        How far ours may be off, by quantity; half of the last printed digit for others.
    because
        Why a value of ours differs, where one does; without it a difference is a fault.
    why_not
        Why no value can be computed here; by quantity, or of all.
    by_effort
        Whether the values depend on how long networks are trained.
    """

    where: str
    of: str
    product: str | None = None
    columns: dict[str, str] = {}
    rows: list[PublishedRow] = Field(min_length=1)
    tolerances: dict[str, float] = {}
    because: str | None = None
    why_not: str | dict[str, str] = {}
    by_effort: bool = False

    @model_validator(mode="after")
    def _check_product(self) -> "PublishedTable":
        if (self.product is None) != isinstance(self.why_not, str):
            raise ValueError("either a product or a reason why_not is needed")
        return self

    def reason_without(self, quantity: str) -> str | None:
        """Return why a quantity is not computed; None if it is."""
        if isinstance(self.why_not, str):
            return self.why_not
        return self.why_not.get(quantity)


class PublishedFigure(_Part):
    """A figure, and what shows the same here.

    Attributes
    ----------
    where, shows
        Its number, and what it shows, in our words.
    products
        Images in the results of the study.
    differs
        What is different in ours.
    why_not
        Why there is none; None if there is.
    """

    where: str
    shows: str
    products: list[str] = []
    differs: str | None = None
    why_not: str | None = None

    @model_validator(mode="after")
    def _check_products(self) -> "PublishedFigure":
        if bool(self.products) == (self.why_not is not None):
            raise ValueError("either products or a reason why_not are needed")
        return self


class Paper(_Part):
    """What one paper prints.

    Attributes
    ----------
    paper, doi
        Its citation; the DOI is None if it is not known here.
    study
        The study that reproduces it: config/<study>.yaml, results/<study>.
    """

    paper: str
    doi: str | None = None
    study: str
    tables: list[PublishedTable]
    figures: list[PublishedFigure] = []

    def list_products(self) -> list[str]:
        """Return the products that are compared, each once, in the paper's order."""
        return list(dict.fromkeys(table.product for table in self.tables if table.product))

    def list_images(self) -> list[str]:
        """Return the images of its figures, each once, in the paper's order."""
        return list(dict.fromkeys(image for figure in self.figures for image in figure.products))

    def list_files(self) -> list[str]:
        """Return all that is read of the results of its study: products and images."""
        return [*self.list_products(), *self.list_images()]


def read_paper(path: Path | str) -> Paper:
    """Read what a paper prints.

    Raises
    ------
    ValueError
        With the file and the place in it, if something is missing, unknown or no number.
    """
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: not a table of keys")
    try:
        return Paper.model_validate(content)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        ]
        raise ValueError(f"{path}: " + "; ".join(problems)) from None


@cache
def list_papers() -> tuple[str, ...]:
    """Return the names of the papers whose numbers are known."""
    return tuple(sorted(path.stem for path in PUBLISHED.glob("*.yaml")))
