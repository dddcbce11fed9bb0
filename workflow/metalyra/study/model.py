"""The model of a study's configuration: every key, its type, bounds, default and meaning.

config/schemas/study.schema.yaml and docs/configuration.md are written from it by
`metalyra.study.reference`. What one key says about another is looked at in
`metalyra.study.checks`.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, Union

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from metalyra.core.bounds import Count, NotNegative, Positive
from metalyra.fit.alignment import ALIGNMENTS
from metalyra.fit.fourier import RegressionSettings
from metalyra.fit.settings import KERNEL_NAMES, FitSettings
from metalyra.label.regression import VARIANTS
from metalyra.label.relations import (
    FEATURES,
    ParameterSource,
    Phi31Source,
    estimate_metallicity,
)
from metalyra.match.crossmatch import match_stars
from metalyra.products.figures.drawing import declared_figures
from metalyra.products.paper_tables.layouts import LAYOUTS
from metalyra.products.published_values import list_papers
from metalyra.stack.population import fit_population
from metalyra.stack.regressors import KINDS as REGRESSORS
from metalyra.study.fields import (
    Band,
    Bands,
    Bounds,
    Columns,
    Name,
    Part,
    PulsationType,
    Source,
    Sources,
    Text,
    absent,
    group,
    one_of,
    setting,
    settings_model,
)
from metalyra.surveys import SURVEYS
from metalyra.train.networks import KINDS as NETWORKS
from metalyra.train.search import METRICS
from metalyra.train.sequences import RECIPES
from metalyra.train.training_settings import TrainingSettings
from metalyra.train.weights import make_weights

MEMBERS_PER_GPU = 5
"""Networks that a job with a GPU trains: it then asks for 20 hours, and queues often end at 24."""

Chunks = Annotated[int, Ge(1), Le(100_000)]
Seed = Annotated[int, Ge(0)]
Settings = dict[str, Any]
"""Settings of a model, as in `models`, of which an experiment makes one."""

OPTIONAL_FIGURES = ", ".join(
    name for name, declaration in declared_figures().items() if declaration.optional
)
"""Figures that a study draws only if it names them."""

RelationName = Annotated[
    str, Field(description="Name of a metallicity relation of resources/relations.yaml.")
]

# Types made of what is registered are for pydantic alone.
if TYPE_CHECKING:
    Alignment: TypeAlias = str
    Feature: TypeAlias = str
    FigureName: TypeAlias = str
    PaperName: TypeAlias = str
    Kernel: TypeAlias = str
    LayoutName: TypeAlias = str
    Metric: TypeAlias = str
    SurveyName: TypeAlias = str
    Variant: TypeAlias = str
    Network: TypeAlias = Settings
    Population: TypeAlias = Settings
    Regressor: TypeAlias = Settings
    Sequence: TypeAlias = Settings
    Training: TypeAlias = Settings
else:
    Alignment, Kernel, Metric = one_of(ALIGNMENTS), one_of(KERNEL_NAMES), one_of(METRICS)
    SurveyName, Variant = one_of(SURVEYS), one_of(VARIANTS)
    Feature = one_of(FEATURES)
    Population = settings_model("Population", fit_population)

    Regressor = Annotated[
        Union[  # noqa: UP007 - of as many as are registered
            tuple(settings_model(kind, fit, "kind", kind) for kind, fit in REGRESSORS.items())
        ],
        Field(discriminator="kind", description="Kind of the regressor and its settings."),
    ]

    FigureName, LayoutName = one_of(declared_figures()), one_of(LAYOUTS)
    PaperName = one_of(list_papers())
    Training = settings_model("Training", TrainingSettings)

    Network = Annotated[
        Union[  # noqa: UP007 - of as many as are registered
            tuple(settings_model(kind, body, "kind", kind) for kind, body in NETWORKS.items())
        ],
        Field(discriminator="kind", description="Kind of the network and its hyper-parameters."),
    ]

    _ALIGNMENT = "What is at phase 0, the first harmonic's zero (phi1) or maximum light."

    Sequence = Annotated[
        Union[  # noqa: UP007 - of as many as are registered
            tuple(
                settings_model(
                    recipe,
                    function,
                    "recipe",
                    recipe,
                    # Of the curves that a recipe gets, for its functions do not turn them.
                    more=(("alignment", Alignment, _ALIGNMENT),),
                )
                for recipe, function in RECIPES.items()
            )
        ],
        Field(
            discriminator="recipe",
            description="How a light curve becomes the sequence that a network reads.",
        ),
    ]


def _check_folds(value: object) -> object:
    if value == "published" or (isinstance(value, int) and not isinstance(value, bool)):
        if isinstance(value, int) and value < 2:
            raise PydanticCustomError("said", f"{value!r} is less than the minimum of 2")
        return value
    raise PydanticCustomError("said", f"{value!r} where a whole number or published is expected")


def _check_truth(value: object) -> object:
    if isinstance(value, bool) or value in ("true", "True", "false", "False"):
        return value
    raise PydanticCustomError("said", f"{value!r} is neither true nor false")


def _check_ranges(value: object) -> object:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise PydanticCustomError("expected", "a group of keys or a text")
    if not value:
        raise PydanticCustomError("said", "{{}} should be non-empty")
    for key, tried in value.items():
        if not isinstance(tried, list) or not tried:
            raise PydanticCustomError("said", f"{key}: {tried!r} is not a list of values to try")
        if any(entry in tried[:place] for place, entry in enumerate(tried)):
            raise PydanticCustomError("said", f"{key}: {tried!r} has non-unique elements")
    return value


Folds = Annotated[
    Any,
    AfterValidator(_check_folds),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 2}, {"const": "published"}]}),
]
Truth = Annotated[
    Any,
    AfterValidator(_check_truth),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": ["true", "True", "false", "False"]}]}),
]
Ranges = Annotated[
    Any,
    AfterValidator(_check_ranges),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": "array", "minItems": 1, "uniqueItems": True},
                },
                {"type": "string"},
            ]
        }
    ),
]


class Downloads(Part):
    """How archives are asked."""

    attempts: Annotated[int, Ge(1), Le(20)] = Field(
        5, description="How often a request is sent when an archive fails in passing."
    )
    pause: NotNegative = Field(
        2.0,
        description="Pause (s) before the second attempt, doubled before each further one. What "
        "the archive asks for goes before it.",
    )
    timeout: Positive = Field(
        60.0, description="Seconds without a byte after which a connection is given up."
    )
    connections_per_host: Annotated[int, Ge(1), Le(16)] = Field(
        2, description="Connections to one host at a time, of all jobs of the run."
    )


class Region(Part):
    """A part of the sky: a circle, or bounds of the Galactic coordinates."""

    ra: Annotated[float, Ge(0), Le(360)] = absent()
    dec: Annotated[float, Ge(-90), Le(90)] = absent()
    radius: Annotated[float, Gt(0), Le(180)] = absent()
    l: Bounds = absent()  # noqa: E741 - the Galactic longitude
    b: Bounds = absent()

    @model_validator(mode="after")
    def check_circle(self) -> Self:
        """Refuse a circle without its centre or radius, and a region without bounds."""
        circle = ("ra", "dec", "radius")
        missing = [key for key in circle if key not in self.model_fields_set]
        if 0 < len(missing) < len(circle):
            given = next(key for key in circle if key not in missing)
            raise PydanticCustomError("said", f"{missing[0]!r} is a dependency of {given!r}")
        if not self.model_fields_set:
            raise PydanticCustomError("said", "no bounds are given")
        return self


class Query(Part):
    """A file that an archive makes on request."""

    archive: str = Field(description="One of the archives of resources/archives.yaml.")
    product: str = Field(description="One of its products.")
    types: Annotated[list[str], MinLen(1)] = absent(
        "Pulsation types of the stars, as the archive writes them; with `stars`, as the star files "
        "have them (RRab, RRc)."
    )
    region: Region = absent(
        "Part of the sky: a circle (`ra`, `dec`, `radius`), or bounds of the Galactic `l` and `b` "
        "(deg). A lower bound of `l` above the upper one is the way around through zero."
    )
    magnitudes: Bounds = absent("Bounds of the mean magnitude.")
    where: Text = absent(
        "More ADQL for the WHERE clause; the tables are `rr` and, for positions, `gs`."
    )
    limit: Count = absent("Number of stars, drawn by the archive's random index.")
    band: Literal["I", "V"] = absent("Band of the light curves, of archives that have several.")
    radius: Annotated[float, Gt(0), Le(60)] = absent(
        "Distance (arcsec) within which a source of the archive is the star."
    )
    stars: Sources = absent("Star files; the archive is asked for the light curves of these stars.")
    star_ids: Annotated[list[str], MinLen(1)] = absent(
        "Only these stars, of those of the star files if there are any."
    )
    survey: str = absent("Whose formats the star files are in, if not the archive's own.")
    batches: Annotated[int, Ge(1), Le(10_000)] = absent(
        "Number of files that the light curves are split over."
    )
    format: Literal["csv", "ecsv", "fits", "votable"] = absent("Serialisation of the light curves.")


class Simulation(Part):
    """A synthetic sky, instead of the archives, with this many stars."""

    n_rrab: Count = Field(description="RRab stars with OGLE I, Gaia G and VVV Ks light curves.")
    n_rrab_field: Annotated[int, Ge(0)] = Field(
        description="RRab stars in the archives' lists that only some of the surveys have."
    )
    n_rrc: Annotated[int, Ge(0)] = Field(description="RRc stars with Gaia DR3 light curves.")


class Example(Part):
    """A simulated survey with spectroscopic metallicities, in own tables."""

    n_rrab: Count = Field(description="RRab stars.")
    n_rrc: Annotated[int, Ge(0)] = Field(0, description="RRc stars.")
    labelled: Annotated[float, Ge(0), Le(1)] = Field(
        0.75, description="Share of the stars that have a spectroscopic [Fe/H]."
    )


class FirstOvertoneFit(Part):
    """Settings of the regression that differ for first-overtone stars."""

    order_min: Count = absent()
    order_max: Count = absent()
    sigma_clip: Positive | None = absent()
    clip_scatter: Literal["local", "global"] = absent()
    huber: Positive = absent()
    folds: Annotated[int, Ge(2)] = absent()
    refine_period: bool = absent()


class Fit(Part):
    """How light curves are fitted, for every sample."""

    harmonics: Annotated[int, Ge(6), Le(100)] = setting(FitSettings, "harmonics")
    kernel: Kernel = setting(FitSettings, "kernel", "Kernel of the Gaussian process.")
    order_min: Count = setting(RegressionSettings, "order_min", "Lowest Fourier order tried.")
    order_max: Count = setting(RegressionSettings, "order_max", "Highest Fourier order tried.")
    sigma_clip: Positive | None = setting(
        RegressionSettings,
        "sigma_clip",
        "Residuals beyond so many standard deviations are rejected; none with null.",
    )
    clip_scatter: Literal["local", "global"] = setting(RegressionSettings, "clip_scatter")
    huber: Positive = setting(
        RegressionSettings,
        "huber",
        "Residual (mag) from which the Huber loss is linear. Far below the noise, fits take "
        "longer: three times with 0.0001.",
    )
    folds: Annotated[int, Ge(2)] = setting(
        RegressionSettings,
        "folds",
        "Folds of the cross-validation that chooses the Fourier order.",
    )
    draws: Annotated[int, Ge(2)] = setting(
        FitSettings, "draws", "Draws from the posterior for the errors."
    )
    min_epochs: Annotated[int, Ge(5)] = setting(
        FitSettings, "min_epochs", "A light curve with fewer epochs has the status too_few_epochs."
    )
    refine_period: bool = setting(
        RegressionSettings,
        "refine_period",
        "Search a better period within +-10 / T of the catalogued one.",
    )
    apertures: Annotated[list[Count], MinLen(1)] | None = setting(
        FitSettings,
        "apertures",
        "Apertures among which the one with the highest S/N is taken; all with null.",
    )
    use_errors: bool = setting(
        FitSettings,
        "use_errors",
        "Weight the points by their known errors, beside the white noise.",
    )
    alignment: Alignment = setting(
        FitSettings,
        "alignment",
        "What is at phase 0 of the stored curves, the first harmonic's zero (phi1) or maximum "
        "light; of folded light curves, what is there in the published phases.",
    )
    published: bool = setting(
        FitSettings,
        "published",
        "Fit as the published code lcfit does, where it differs. Of sparse light curves the "
        "published likelihood has several maxima, and lcfit may find another one.",
    )
    rrc: FirstOvertoneFit = group(
        "Settings of the regression that differ for first-overtone stars.",
        {"order_max": 5, "sigma_clip": 4.5},
    )


class Match(Part):
    """Take period and pulsation type, or labels alone, from a star of another sample."""

    reference: Name = Field(description="The other sample.")
    radius: Annotated[float, Gt(0), Le(3600)] = Field(
        1.0, description="Largest distance on the sky (arcsec)."
    )
    cell_radius: Annotated[float, Gt(0), Le(3600)] | None = setting(
        match_stars,
        "cell_radius",
        "Largest distance (arcsec) for a Gaia star without a position, from the centre of the "
        "HEALPix cell of its source_id, some 50 arcsec wide; null to leave such stars out.",
    )
    epoch: Annotated[float, Ge(1900), Le(2100)] | None = setting(
        match_stars,
        "epoch",
        "Epoch (Julian year) to which positions with a proper motion are moved; null for that of "
        "the other sample, if its table has one.",
    )
    period_tolerance: Positive | None = setting(
        match_stars,
        "period_tolerance",
        "Largest difference of the periods of a star that has one of its own; null to ignore it.",
    )
    period_tolerance_unit: Literal["d", "relative"] = setting(
        match_stars,
        "period_tolerance_unit",
        "Days, or relative to the period of the other sample's star.",
    )
    ambiguous: Literal["refuse", "nearest"] = setting(
        match_stars,
        "ambiguous",
        "What becomes of a match that is not one to one: `refuse` it, or take the `nearest` star "
        "where both are each other's nearest.",
    )
    periods: Literal["reference", "own"] = setting(
        match_stars,
        "periods",
        "Whose period and type a matched star has: the `reference` star's, or its `own`; the match "
        "then brings labels alone, and a star without one is as good as any other.",
    )


class Labelling(Part):
    """How the relation that labels a sample is applied."""

    phi31: Phi31Source = setting(
        estimate_metallicity,
        "phi31",
        "That of our own fit (`own`); the archive's where it has one (`archive`); or the archive's "
        "alone, and stars without one have the status no_archive_phi31 (`archive_only`).",
    )
    a2: ParameterSource = setting(
        estimate_metallicity,
        "a2",
        "A_2 of our own fit, or of the archive's series where it has one, from its R_21 and "
        "amplitude.",
    )
    parameters: ParameterSource = setting(
        estimate_metallicity,
        "parameters",
        "Those of our own fit, or the archive's where it has them, such as OGLE-III's; such stars "
        "need no light curves, and their labels have no error.",
    )
    scatter: bool = setting(
        estimate_metallicity,
        "scatter",
        "Include the scatter of the relation in the errors by which a training cuts and weights "
        "the labels. Their whole error has it in any case.",
    )
    other_band: bool = setting(
        estimate_metallicity,
        "other_band",
        "Apply the relation although it is for another band than the sample's.",
    )


class Shown(Part):
    """Stars whose light curves are drawn; those named, the first, the noisiest."""

    stars: list[str] = Field([], description="Names of stars.")
    first: Annotated[int, Ge(0)] = Field(6, description="How many of the first stars.")
    worst: Annotated[int, Ge(0)] = Field(6, description="How many of the noisiest.")


_COLUMNS = (
    "Names of columns of your tables that are not understood by themselves, by our names, such as "
    "`{mag: Imag, feh: met}`; see docs/own_tables.md."
)
_TIME_SCALE = (
    "What the times of your light curves are, such as `MJD UTC`, `MJD TAI`, `HJD UTC`, `BJD TDB`, "
    "`HJD - 2450000` or `BJD - 2455197.5 TCB`; with `to` and another, such as `MJD UTC to BJD "
    "TDB`, what they become. For barycentric and heliocentric times the star list must have "
    "positions."
)
_ZERO_POINT = (
    "Magnitude of a flux of 1, which makes magnitudes of a column `flux` (31.4 for AB and nJy)."
)
_PERIODS = (
    "Where the periods come from: they are those of the star list or match (`given`); those are "
    "looked at in the light curves, and replaced where another is decisively more probable "
    "(`check`; the periods of stars without one are found); or all are found (`find`). With the "
    "last two, stars of no given type are classified."
)


_PERIOD_BANDS = (
    "Further bands of the same light-curve files, such as `[BP, RP]`, whose points join the search "
    "of the periods; only with `periods: check` or `find`. Each band has its own amplitude and "
    "shape; a star is searched in the bands that it has. For `own`, `ztf`, `rubin` and Gaia."
)


_SHAPE_BANDS = (
    "Further bands of the same light-curve files, such as `[BP, RP]`, whose points are folded like "
    "those of the sample's own band, for models that read several (`bands` of a stack)."
)


class Sample(Part):
    """A star list with light curves in one band from one survey."""

    survey: SurveyName = Field(description="Whose formats the files are in.")
    listed_by: SurveyName = absent(
        "Whose formats the star list is in, if it is another archive's than that of the light "
        "curves: identifiers, positions, periods and types are that one's. For `vvv`, whose light "
        "curves are asked for by position."
    )
    band: Band = Field(description="Photometric band of the light curves.")
    stars: Sources = Field(description="Files of the star list.")
    light_curves: list[Source] = Field(
        description="Files of the light curves; none of a catalogue that has the parameters of its "
        "stars, see `labelling.parameters`."
    )
    only_with_light_curves: bool = Field(
        False,
        description="Leave out the stars of the list that the light-curve files do not have.",
    )
    chunks: Chunks = absent("Number of chunks, instead of the study's.")
    columns: Columns = absent(_COLUMNS)
    time_scale: Text = absent(_TIME_SCALE)
    magnitude_zero_point: float = absent(_ZERO_POINT)
    phases: Literal["measured", "published"] = setting(
        FitSettings,
        "phases",
        "With `published`, the light curves are folded and aligned already; the fit keeps their "
        "phases and rejects no point.",
    )
    periods: Literal["given", "check", "find"] = Field("given", description=_PERIODS)
    period_bands: Bands = absent(_PERIOD_BANDS)
    shape_bands: Bands = absent(_SHAPE_BANDS)
    match: Match = absent("The sample whose stars its stars are, with their periods or labels.")
    labelling: Labelling = group("How the relation that labels the sample is applied.")
    show: Shown = group(
        "Stars whose light curves are drawn; those named, the first, the noisiest.",
    )
    fit: Fit = group("Settings of the fit that differ from the study's.")


class Calibration(Part):
    """A metallicity relation that is calibrated here."""

    spectra: Sources = absent("Tables of spectroscopic metallicities with published parameters.")
    labels: Literal["as_published"] = absent(
        "Instead of spectra: the [Fe/H] that came with the star list of the sample, with our own "
        "light-curve parameters, in the sample's band, for each type that has stars enough."
    )
    features: Annotated[list[Feature], MinLen(1)] = absent(
        "Light-curve parameters of a relation on labels; without it, the published ones of each "
        "pulsation type."
    )
    cuts: dict[str, Bounds] = absent(
        "Bounds that a star of a relation on labels is within, by column of the fits."
    )
    sample: Name = Field(description="The sample with the light curves of the same stars.")
    photometry: Literal["published", "own"] = Field(
        "published",
        description="Light-curve parameters of the relation, the published or our own.",
    )
    variant: Variant = Field("hierarchical", description="The regression that makes the relation.")
    compare_with: RelationName = Field(
        "dekany2021", description="The published relation shown beside it."
    )
    draws: Annotated[int, Ge(100)] = Field(10_000, description="Draws from the posterior.")


class Weights(Part):
    """Sample weights in a training, which each member learns from its own training stars."""

    density_threshold: float | None = setting(
        make_weights,
        "density_threshold",
        "Density below which a star counts no more; null for no density weights.",
    )
    density_alpha: NotNegative | None = setting(
        make_weights, "density_alpha", "Strength of the weights of DenseWeight; null for none."
    )
    inverse_variance: bool = setting(
        make_weights, "inverse_variance", "Weight stars by the errors of their labels."
    )
    scaling: Literal["number", "range"] = setting(
        make_weights,
        "scaling",
        "Weights that sum to the number of stars, or that go from 0.01 to 1.",
    )


class Stack(Part):
    """Regressors of several kinds whose weights are learnt out of fold."""

    regressors: Annotated[dict[str, Regressor], MinLen(1)] = Field(
        description="Settings of each regressor, by name."
    )
    population: Population = absent("Settings of the model of all light curves.")
    noise_floor: Positive | None = absent(
        "Error (dex) that does not come from the light curve: stars are weighted by the inverse of "
        "their variance, this, the light curve's and the label's; null for equal weights."
    )
    combination: Literal["learnt", "mean"] = absent(
        "Weights of the regressors: `learnt` out of fold (the default), or all alike, which is "
        "better where there are fewer than some 1,000 stars."
    )
    bands: Annotated[list[Band], MinLen(2)] = absent(
        "Bands whose joint shapes the stack reads, such as `[G, BP, RP]`: its sample's own, and of "
        "its `shape_bands`; without it, the own one. What a star lacks is marginalised."
    )
    unlabelled: Annotated[list[Name], MinLen(1)] = absent(
        "Samples whose light curves the population learns from as well, labelled or not; stars "
        "of the held-out fold are left out."
    )
    most_unlabelled: Count = absent("Stars of these that are drawn, each sample; without it 5000.")
    published: Name = absent(
        "A published model of the study that joins in. If its networks chose their epoch on the "
        "fold that counts as unseen, weights, errors and metrics of the stack are optimistic."
    )


class ModelChanges(Part):
    """What an effort changes of how a model is trained."""

    weights: Weights = absent("Sample weights in the training.")
    training: Training = absent("How a network is trained.")


class PublishedPredictions(Part):
    """What the members of a published model predict for the stars of their development set."""

    training: Source = absent("Predictions for the stars that a member was trained on.")
    validation: Source = absent("Predictions for the stars of the fold that a member did not see.")


class Model(Part):
    """An ensemble trained here or published elsewhere."""

    sample: Name = absent("The sample whose light curves it is trained on.")
    labels: Name = absent(
        "The labelled sample that has the metallicities; the model's own without it."
    )
    further_samples: Annotated[list[Name], MinLen(1)] = absent(
        "Labelled or matched samples of the same band that it is trained on as well, with their "
        "own labels; a star of several of them is that of the first."
    )
    optional: bool = Field(
        False, description="Train it only when its files are asked for, not with the whole study."
    )
    pulsation_type: PulsationType = Field(
        "RRab", description="Type of the stars that the model is for."
    )
    cuts: dict[str, Bounds] = Field(
        {},
        description="Bounds that a star of the training set is within, by column of the fits, the "
        "labels or the star list (archive_...), or of the fits behind labels of another sample, "
        "with its band (`amplitude_I`).",
    )
    optional_cuts: dict[str, Bounds] = Field(
        {},
        description="Bounds by column of the star list (archive_...) that count only where the "
        "list has the column; log and card say which did not.",
    )
    fewest_stars: Count | None = Field(
        None,
        description="With fewer labelled stars that can be used, a stack is not trained, and stars "
        "that it is applied to have the status no_model; null to fail then.",
    )
    sequence: Sequence = absent("How a light curve becomes the sequence that a network reads.")
    weights: Weights = group(
        "Sample weights in the training, which each member learns from its own training stars.",
    )
    network: Network = absent("Kind of the network and its hyper-parameters.")
    training: Training = group("How a network is trained.")
    quick: ModelChanges = absent("What this effort changes of the model.")
    full: ModelChanges = absent("What this effort changes of the model.")
    from_search: Name = absent(
        "The search whose best network and training the model takes; what it says itself of its "
        "training counts more."
    )
    stack: Stack = absent("Regressors of several kinds whose weights are learnt out of fold.")
    folds: Folds = Field(
        5,
        description="Folds of the cross-validation; one member of the ensemble each. With "
        "`published`, those of the star list, whose number `members` gives.",
    )
    repeats: Count = Field(
        1,
        description="How often the cross-validation of networks is repeated with other folds; a "
        "member of the ensemble for each fold of each.",
    )
    members_per_job: Count = absent(
        "Networks that one job trains, in turn or, with JAX, together. If not given, it is one, "
        f"or on the GPU that the key `gpu` asks for {MEMBERS_PER_GPU}."
    )
    trained: Text = absent(
        "Folder of a model that another study has trained, results/<study>/models/<name>."
    )
    shipped: Name = absent(
        "Name of a model that MetaLyra comes with, in resources/models; its card has band, "
        "relation and pulsation type."
    )
    description: Text = absent(
        "What users of the model need to know, in words, for its card if it is shipped."
    )
    published: Source = absent("Folder of a published model, with model.json and weights_<k>.h5.")
    training_stars: Source = absent(
        "Star list, with their folds, of the stars that a published model was trained on."
    )
    published_predictions: PublishedPredictions = absent(
        "Files with the published predictions of a published model, for figures and tables."
    )
    band: Band = absent("Band of a model that is published or of another study.")
    bands: Annotated[list[Band], MinLen(2)] = absent(
        "Bands of a stack of another study that reads several, its own first."
    )
    members: Count = absent("Number of networks of a published model, or of published folds.")
    relation: RelationName = absent(
        "The metallicity relation that the labels of a model come from."
    )


Axes = Annotated[
    dict[Name, Annotated[dict[Name, Settings], MinLen(1)]],
    MinLen(1),
]


class Changes(Part):
    """What an effort changes of `shared` and `axes`."""

    shared: Settings = absent("Settings of a model, as in `models`.")
    axes: Axes = absent("What is varied, by name.")


class Experiment(Part):
    """Models that differ in a few settings."""

    shared: Settings = absent("Settings of a model, as in `models`.")
    axes: Axes = Field(
        description="What is varied, by name; of each, settings of a model by name. There is a "
        "model <experiment>_<setting>_... for every combination."
    )
    quick: Changes = group("What this effort changes of `shared` and `axes`.")
    full: Changes = group("What this effort changes of `shared` and `axes`.")


class Search(Part):
    """A search for the hyper-parameters of a model."""

    model: Name = Field(description="The network of `models` that is searched.")
    method: Literal["grid", "hyperband", "random"] = Field(
        "grid",
        description="Train all combinations of values (grid), some drawn at random, or many for "
        "few epochs and the best of them for more (hyperband).",
    )
    ranges: Ranges = Field(
        description="Values to try, by key of the model, such as training.learning_rate; or the "
        "name of the ranges of a paper (dekany_grebel_2022_g, dekany_grebel_2022_ks, "
        "dekany_grebel_2022_networks, monti_2025)."
    )
    metric: Metric = Field("rmse", description="What trials are compared by, out of fold.")
    trials: Count | None = Field(
        None,
        description="Most trials of a random search, or of a round of hyperband; null for any.",
    )
    folds: Count = Field(
        1,
        description="Folds that each trial is trained for, of as many as the model has. They are "
        "drawn for the search alone, so that those that the model is measured on have no part in "
        "it.",
    )
    epochs: Count | None = Field(
        None, description="Most epochs of a trial; those of the model with null."
    )
    reduction: Annotated[int, Ge(2)] = Field(
        3, description="Factor by which hyperband makes the trials fewer and their epochs more."
    )
    seed: Seed | None = Field(None, description="Draws the trials; the study's with null.")
    continued: bool = Field(
        False,
        description="Let the trials that hyperband takes to the next round go on from the state "
        "that they had, on one schedule for all epochs; else each begins anew, with a schedule for "
        "the epochs of the round.",
    )
    optional: bool = Field(
        False, description="Search only when its files are asked for, not with the whole study."
    )


class Prediction(Part):
    """A model that is applied to a sample."""

    model: Name = Field(description="One of `models`.")
    sample: Name = Field(description="One of `samples`.")
    cuts: dict[str, Bounds] | None = Field(
        None,
        description="Bounds that a star must be within, by column; those of the model with null.",
    )
    other_band: bool = Field(
        False,
        description="Apply the model although it is for another band than the sample's.",
    )


class Table(Part):
    """A table of a paper: of the stars of a sample, or of models."""

    sample: Name = absent("The sample whose stars it lists.")
    model: Name = absent("Predictions of this model; without it, the labels of the sample.")
    models: Annotated[list[Name], MinLen(1)] = absent(
        "The models that it compares, where it is of models."
    )
    layout: LayoutName = absent(
        "Its columns and rows, by paper and table; without it, dg22_table5 of predictions, "
        "dg22_table1 of labels and dg22_table3 of models."
    )


class AccuracyByEpochs(Part):
    """The accuracy of models for stars of few and of many epochs."""

    sample: Name = Field(description="The labelled sample whose stars it is measured on.")
    models: Annotated[list[Name], MinLen(1)] = Field(
        description="The models, which the study applies to the sample."
    )
    edges: Annotated[list[Count], MinLen(1)] = Field(
        [20, 30, 40, 50, 75, 100],
        description="Smallest number of epochs of each bin but the first, ascending.",
    )


class SkyMap(Part):
    """A map of the metallicities of a sample."""

    sample: Name = Field(description="The sample whose stars it shows.")
    model: Name = absent("Predictions of this model; without it, the labels of the sample.")
    models: Annotated[list[Name], MinLen(1)] = absent(
        "Predictions of several models, such as one for each pulsation type; a star has the value "
        "of the first that vouches for one."
    )
    region: Name = absent(
        "Part of the sky to show, of resources/sky_regions.yaml; without it, the part that has "
        "stars."
    )
    title: str = Field("", description="Title of the map.")


class ComparedSide(Part):
    """Whose [Fe/H] is compared: without `model`, `relation`, `column` or `tables`, the labels."""

    sample: Name = absent("One of `samples`; of the other side, the same one without it.")
    model: Name = absent("Predictions of this model.")
    relation: RelationName = absent(
        "This metallicity relation, applied to the fits of the sample as its `labelling` says."
    )
    column: Text = absent(
        "This column of the star list, such as `archive_feh`; its error is `<column>_err`."
    )
    tables: Sources = absent(
        "Metallicities of the literature, a table each paper, such as high-dispersion spectra. "
        "Those of a star in one paper are averaged, weighted by their inverse variances if all "
        "have errors; the means of papers count alike."
    )
    title: Text = absent("What figures and tables call it; without it, where it comes from.")


class ComparisonMatch(Part):
    """How the stars of the two sides find each other."""

    by: Literal["star_id", "position", "name"] = absent(
        "The identifier, the position on the sky, or the `name` of the star list and of the "
        "literature, however it is spelt. Without it, the identifier within one sample, else the "
        "position; names of the literature have theirs in resources/literature_positions.csv."
    )
    radius: Annotated[float, Gt(0), Le(3600)] = Field(
        2.0, description="Largest distance on the sky (arcsec); the match is one to one."
    )
    cell_radius: Annotated[float, Gt(0), Le(3600)] | None = setting(
        match_stars,
        "cell_radius",
        "Largest distance (arcsec) for a Gaia star without a position, from the centre of the "
        "HEALPix cell of its source_id, some 50 arcsec wide; null to leave such stars out.",
    )


class Comparison(Part):
    """[Fe/H] of a sample against another one of the same stars."""

    of: ComparedSide = Field(description="What is compared: of a sample.")
    against: ComparedSide = Field(description="With what: of a sample, or of the literature.")
    match: ComparisonMatch = group("How the stars of the two sides find each other.")
    pulsation_type: PulsationType = absent("Stars of this type alone.")
    cuts: dict[str, Bounds] = Field(
        {}, description="Bounds that a star is within, by column of the fits or the star list."
    )
    colour: Text = Field(
        "period", description="Column of the fits or the star list that colours the points."
    )
    calibrators: Sources = absent(
        "Tables of the spectra that a published relation was calibrated on, as in `calibrate`: "
        "the stars of its calibration are counted, and compared without them as well. What "
        "relations of the study are calibrated on is known."
    )
    discrepant: Annotated[int, Ge(1), Le(60)] = Field(
        6, description="So many of the most discrepant stars are listed, with their light curves."
    )
    title: str = Field("", description="Title of the figures.")


class Distribution(Part):
    """Distributions of [Fe/H] of samples, whose stars may be others."""

    of: Annotated[list[ComparedSide], MinLen(1), MaxLen(5)] = Field(
        description="Whose [Fe/H], as the sides of a comparison."
    )
    title: str = Field("", description="Title of the figure.")


class DataRelease(Part):
    """The catalogue ready for a data release: table, README, provenance, licence, citations."""

    title: Text = Field(description="Title of the release.")
    authors: Annotated[list[Text], MinLen(1)] = Field(
        description="Its authors, each as BibTeX takes a name."
    )
    version: Text = Field("1.0", description="Version of the data.")
    licence: Text = Field(
        "CC-BY-4.0", description="Licence of the data: an SPDX identifier, or in words."
    )
    description: str = Field("", description="What the data are, for the README.")
    limits: list[Text] = Field(
        [],
        description="Limits of the data that a user should know, beside those that the README "
        "names anyway.",
    )
    samples: Annotated[list[Name], MinLen(1)] | None = Field(
        None, description="The samples whose stars are released; all with null."
    )
    year: Annotated[int, Ge(1900), Le(2200)] = absent("Year of the release.")
    contact: Text = absent("Whom to ask.")
    doi: Text = absent("Its DOI, without the address of the resolver.")


class Configuration(Part):
    """A file of config/: what a study is made of, and what it makes."""

    study: Name = Field(
        description="Name of the study; everything it writes is in results/<study>/."
    )
    seed: Seed = Field(42, description="Every random draw of the study follows from it.")
    mirror: str | None = Field(
        None,
        description="Folder with the sources, laid out as the archives' mirror, asked before the "
        "network. When null, the environment variable METALYRA_MIRROR.",
    )
    archives: dict[str, Annotated[str, StringConstraints(pattern="^https?://")]] = Field(
        {},
        description="Base URLs of services, instead of those of resources/archives.yaml. The "
        "environment variable METALYRA_ARCHIVES, the address of a server that stands for all of "
        "them, goes before these.",
    )
    release: Literal["dr2", "dr3", "dr4"] = absent(
        "Data release of Gaia, which stands for {release} wherever the configuration has it."
    )
    on_mirror: dict[Literal["dr2", "dr3", "dr4"], Settings] = Field(
        {},
        description="By release of Gaia: keys that are others where a mirror stands in for the "
        "archives, such as the names of its files; null takes a group of keys away.",
    )
    downloads: Downloads = group("How archives are asked.")
    queries: dict[str, Query] = Field(
        {},
        description="Sources that archives make on request, by their path within the mirror. With "
        "`{batch}` in the path, there is one file for each of so many `batches` of the stars.",
    )
    chunks: Chunks = Field(
        4, description="Number of jobs that the light curves of a sample are split over."
    )
    gpu: Annotated[int, Ge(0)] = Field(
        0, description="Number of GPUs that a training job asks for."
    )
    container: Text = absent(
        "Image that jobs run in with `--sdm apptainer`: a file such as metalyra.sif, or an address "
        "with `://`, such as docker-archive://metalyra.tar."
    )
    simulate: Simulation = absent("A synthetic sky, instead of the archives, with this many stars.")
    example: Example = absent(
        "A simulated survey that stands in for your own stars as long as `stars` and `lightcurves` "
        "are in results/<study>/example/."
    )
    fit: Fit = group("How light curves are fitted, for every sample.")
    samples: dict[Name, Sample] = Field(
        {}, description="Star lists with light curves in one band from one survey, by name."
    )
    labels: dict[str, RelationName] = Field(
        {},
        description="The metallicity relation that labels a sample, by sample; `as_published` for "
        "the [Fe/H] that came with the star list.",
    )
    calibrate: dict[Name, Calibration] = Field(
        {},
        description="Metallicity relations that are calibrated here, by name; `labels` may use "
        "them.",
    )
    models: dict[Name, Model] = Field(
        {}, description="Ensembles trained here or published elsewhere, by name."
    )
    ship: list[Name] = Field(
        [],
        description="Stacks that the target shipped_models trains and writes to resources/models "
        "in the working directory.",
    )
    experiments: dict[Name, Experiment] = Field(
        {},
        description="Models that differ in a few settings, by name; their metrics are written to "
        "tables/<name>.csv.",
    )
    effort: Literal["quick", "full"] = Field(
        "quick",
        description="How much models and experiments take: `quick` for a first look, `full` for "
        "trainings as published.",
    )
    searches: dict[Name, Search] = Field(
        {},
        description="Searches for the hyper-parameters of a model, by name; written to "
        "searches/<name>/. A model takes the settings that were found with the key `from_search`.",
    )
    predict: list[Prediction] = Field([], description="Which model is applied to which sample.")
    archive_comparisons: list[Name] = Field(
        [],
        description="Samples whose Fourier phases are compared with those of their archive.",
    )
    comparisons: dict[Name, Comparison] = Field(
        {},
        description="[Fe/H] of a sample against another of the same stars, by name: of a model, a "
        "relation, the star list or the literature; written to comparisons/<name>.csv and "
        "figures/comparisons/<name>.png. See docs/comparisons.md.",
    )
    distributions: dict[Name, Distribution] = Field(
        {},
        description="Distributions of [Fe/H] of one or more samples, by name; their modes are "
        "written to distributions/<name>.csv, their densities drawn in "
        "figures/distributions/<name>.png.",
    )
    tables: dict[Name, Table] = Field(
        {}, description="Tables of a paper, by name; written to tables/<name>.csv, .vot and .dat."
    )
    accuracy_by_epochs: dict[Name, AccuracyByEpochs] = Field(
        {},
        description="How well models do for labelled stars of few and of many epochs, by name; "
        "written to tables/<name>.csv and figures/accuracy_by_epochs/<name>.png.",
    )
    sky_maps: dict[Name, SkyMap] = Field(
        {},
        description="Maps of the metallicities of a sample, by name; written to "
        "figures/sky_maps/<name>.png.",
    )
    papers: list[Name] = absent(
        "Studies of config/ that reproduce papers, to be run together (config/papers.yaml). All "
        "other keys but `study` then count for each of them."
    )
    reproduces: PaperName = absent(
        "The paper that the study reproduces, of resources/published: its printed numbers and its "
        "figures are compared with ours in reproduction.html and reproduction.csv."
    )
    data_release: DataRelease = absent(
        "The catalogue ready for a data release, in release/; see docs/data_release.md."
    )
    figures: list[FigureName] | None = Field(
        None,
        description="Figures to draw, by name, of all that the study has. When null, all but those "
        "that only `further_figures` draws.",
    )
    further_figures: list[FigureName] = Field(
        [],
        description="Figures to draw besides, of those that are drawn only where they are named: "
        f"{OPTIONAL_FIGURES}.",
    )
    stars: Text = absent(
        "Your own stars: a table (CSV, ECSV, FITS, VOTable, Parquet) with the columns star_id and "
        "period and, if known, ra, dec, pulsation_type, feh, feh_err. Others pass through. They "
        "are the sample `own_stars`, which models, labels and calibrations of the study may name."
    )
    lightcurves: Text = absent(
        "Light curves of your own stars: a folder or archive with one table <star_id>.csv (.dat, "
        ".fits, ...) each, columns time, mag and perhaps mag_err and band, or one long table with "
        "star_id as well."
    )
    survey: SurveyName = absent("Whose formats your own files are in: own, ztf or rubin.")
    columns: Columns = absent("Of your own stars, as the key of a sample.")
    time_scale: Text = absent("Of the light curves of your own stars, as the key of a sample.")
    magnitude_zero_point: float = absent("Of the fluxes of your own stars, as the key of a sample.")
    model: Name = absent(
        "The model that is applied to your own stars: one of `models`, or one that is shipped. A "
        "study that trains on them has none."
    )
    band: Band = absent("Band of the light curves of your own stars.")
    other_band: Truth = absent(
        "Apply the model to your own stars although it is for another band than theirs. The "
        "command line gives a text."
    )
    cuts: dict[str, Bounds] = absent(
        "Bounds that the light curves of your own stars are within, by column of the fits, instead "
        "of the model's own cuts; a star outside keeps its value with the status cut:<column>."
    )
    periods: Literal["given", "check", "find"] = absent(
        "Where the periods of your own stars come from, as the key of a sample."
    )
    period_bands: Bands = absent(
        "Further bands whose points join the search of the periods of your own stars, as the key "
        "of a sample."
    )
    shape_bands: Bands = absent(
        "Further bands of your own stars, for a model that reads several, as the key of a sample."
    )
    output: Annotated[str, StringConstraints(pattern=r"\.csv$")] = absent(
        "The CSV file with the metallicities of your own stars."
    )
