import json

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from metalyra.core.metrics import r2_score, root_mean_squared_error
from metalyra.core.tables import write_table
from metalyra.products import Subject, figures
from metalyra.products.figures import metallicities, style
from metalyra.products.figures.light_curves import archive_comparison, draw_light_curves
from metalyra.products.figures.metallicities import oosterhoff_amplitude
from metalyra.products.figures.style import FEH_RANGE
from metalyra.train.sequences import PADDING, write_sequences

RNG = np.random.default_rng(7)
TRUE = RNG.normal(-1.5, 0.4, 400)
PREDICTED = TRUE + RNG.normal(0.02, 0.15, 400)


def make_fits(*star_ids: str, status: str = "ok") -> pd.DataFrame:
    phase = np.arange(100) / 100
    curve = -0.3 * np.sin(2 * np.pi * phase)
    return pd.DataFrame(
        {
            "star_id": star_ids,
            "band": "G",
            "period": 0.5,
            "n_epochs": 40.0,
            "mean_mag": 16.0,
            "curve": [curve] * len(star_ids),
            "status": status,
        }
    )


def make_folded(*star_ids: str, points: int = 40) -> pd.DataFrame:
    phase = np.linspace(0, 1, points, endpoint=False)
    one = pd.DataFrame(
        {
            "phase": phase,
            "mag": 16.0 - 0.3 * np.sin(2 * np.pi * phase),
            "mag_err": 0.01,
            "kept": np.arange(points) % 10 != 0,
        }
    )
    return pd.concat([one.assign(star_id=star_id) for star_id in star_ids], ignore_index=True)


def make_history(epochs: int = 20) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {"epoch": epoch, "loss": 1 / epoch, "val_loss": 0.1 + (epoch - 12.0) ** 2 / 100}
    )


def make_layers() -> pd.DataFrame:
    rows = [
        ("sequences", "InputLayer", "", "60 x 2", 0),
        ("bilstm1", "Bidirectional LSTM", "32 neurons", "64", 8960),
        ("head", "Dense", "1 neuron", "1", 65),
    ]
    columns = ["layer", "kind", "settings", "output_shape", "n_parameters"]
    return pd.DataFrame(rows, columns=columns)


STARS = [f"s{number}" for number in range(30)]


def draw_phased(name: str, stars: list[str] = STARS, values: np.ndarray = TRUE) -> Figure:
    fits = make_fits(*stars).assign(snr=np.arange(float(len(stars))))
    by_star = pd.Series(values[: len(stars)], index=stars, name=name)
    return figures.phased_curves(fits, make_folded(*(stars or ["none"])), by_star, "G")


def make_trials() -> pd.DataFrame:
    changes = [
        {"network": {"dropout": 0.1}, "training.batch_size": 64},
        {"network": {"kernel_l1": 1e-6}, "training.batch_size": 128},
        {"network": {"dropout": 0.1}, "training.batch_size": 128},
    ]
    return pd.DataFrame(
        {
            "changes": [json.dumps(change) for change in changes],
            "epochs": [3, 9, 9],
            "rmse": [0.2, 0.15, np.nan],
        }
    )


FIGURES = {
    "match_quality": lambda: figures.match_quality(
        np.abs(PREDICTED), [0.5, 0.9], 4, (PREDICTED - TRUE) / 1e4, 1e-4
    ),
    "predicted_against_true": lambda: figures.predicted_against_true(TRUE, PREDICTED, "G"),
    "metallicity_histogram": lambda: figures.metallicity_histogram(
        {"predicted": PREDICTED, "true": TRUE}
    ),
    "sample_weights": lambda: figures.sample_weights(TRUE, 1 / (3 - TRUE), 0.5 / (3 - TRUE), "G"),
    "bailey_diagram": lambda: figures.bailey_diagram(0.5 + TRUE / 10, PREDICTED + 3, TRUE, "I"),
    "light_curve_panel": lambda: figures.light_curve_panel(
        ["a", "b"], make_fits("a", "b"), make_folded("a", "b")
    ),
    "phased_by_feh": lambda: draw_phased("feh"),
    "phased_by_period": lambda: draw_phased("period", values=0.5 + TRUE / 10),
    "cumulative_snr": lambda: figures.cumulative_snr({"G": np.exp(TRUE + 6), "BP": [3.0, 4.0]}),
    "network_layers": lambda: figures.network_layers(make_layers(), "ks"),
    "search_trials": lambda: figures.search_trials(make_trials(), "rmse", "g_network"),
    "learning_curves": lambda: figures.learning_curves({0: make_history(), 1: make_history()}),
    "curves_by_metallicity": lambda: figures.curves_by_metallicity(
        np.tile(np.linspace(0, 1, 30), (40, 1)),
        np.sin(np.linspace(0, 6, 30)) + TRUE[:40, None],
        TRUE[:40],
    ),
    "accuracy_by_epochs": lambda: figures.accuracy_by_epochs(
        pd.DataFrame(
            {
                "model": "rrab",
                "n_epochs": np.arange(400) + 12,
                "feh": TRUE,
                "feh_predicted": PREDICTED,
            }
        ),
        {"rrab": "of RRab"},
        [50, 100],
    ),
}

EMPTY = {
    "predicted_against_true": lambda: figures.predicted_against_true([], []),
    "not_finite": lambda: figures.predicted_against_true([np.nan], [-1.0]),
    "metallicity_histogram": lambda: figures.metallicity_histogram({"true": [], "none": [np.nan]}),
    "sample_weights": lambda: figures.sample_weights([np.nan], [1.0], [1.0]),
    "bailey_diagram": lambda: figures.bailey_diagram([], [], [], "I"),
    "phased_curves": lambda: draw_phased("feh", []),
    "phased_without_labels": lambda: draw_phased("feh", values=np.full(30, np.nan)),
    "cumulative_snr": lambda: figures.cumulative_snr({"G": [np.nan, -1.0]}),
    "light_curve_panel": lambda: figures.light_curve_panel(
        [], make_fits("a").head(0), make_folded("a").head(0)
    ),
}


def texts_of(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(
        text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
    )


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_file_twice_whatever_the_users_settings(name, tmp_path):
    figures.save_figure(FIGURES[name](), tmp_path / "one.png")
    with rc_context({"font.size": 30, "savefig.dpi": 30, "axes.facecolor": "red"}):
        figures.save_figure(FIGURES[name](), tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert "Software" not in image.info
        shades = np.asarray(image.convert("L"))
    assert shades.min() < 100
    assert np.mean(shades == 255) > 0.3


def test_long_titles_are_broken_and_stay_in_the_figure(tmp_path):
    title = "Development set: Stack on Dékány & Grebel 2022, G band, RRab"
    figure = figures.bailey_diagram(TRUE + 3, TRUE + 3, TRUE, "G", title)
    figure.canvas.draw()
    heading = figure.axes[0].title
    assert heading.get_text().replace("\n", " ") == f"{title}: 400 stars"
    box, edge = heading.get_window_extent(), figure.bbox
    assert edge.x0 <= box.x0 < box.x1 <= edge.x1
    assert edge.y0 <= box.y0 < box.y1 <= edge.y1


def test_a_formula_in_a_title_stays_in_one_line():
    formula = r"$t = 10.5 \pm 0.3$"
    lines = style.wrap(f"Stars of all ages, those of {formula} among them", 2.5).split("\n")
    assert len(lines) > 1
    assert any(formula in line for line in lines)


def test_a_long_name_in_a_title_is_broken():
    assert max(map(len, style.wrap("a" * 80, 4.0).split("\n"))) <= 42


def test_stars_of_two_models_in_one_sample_are_told_apart(tmp_path):
    origins = [("rrab", "")] * 3 + [("rrc", "")] * 2 + [("", "muraveva2025")] * 4
    catalogue = pd.DataFrame(origins, columns=["model", "relation"]).assign(
        sample="own", status="ok", feh=PREDICTED[:9]
    )
    write_table(catalogue, tmp_path / "catalogue.parquet")
    titles = {"own": "own, V band", "rrab": "Stack on own, V band, RRab", "rrc": "Stack (rrc)"}
    subject = Subject({}, {"catalogue": str(tmp_path / "catalogue.parquet")}, {}, titles)
    [legend] = metallicities.draw_metallicities(subject).legends
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == [
        "Stack on own, V band, RRab (3)",
        "own, V band: Stack (rrc) (2)",
        "own, V band: muraveva2025 (4)",
    ]


def test_stars_beyond_the_figure_of_the_archives_phases_are_counted():
    names = ["a", "b", "c", "d"]
    fits = pd.DataFrame({"star_id": names, "n_epochs": 40, "phi31_err": 0.1, "status": "ok"})
    fits["phi31"] = [2.0, 2.1, 4.0, 1.0]
    stars = pd.DataFrame({"star_id": names, "pulsation_type": ["RRab"] * 3 + ["RRc"]})
    stars["archive_phi31"] = [2.0, 2.0, 2.0, 1.0]
    figure = archive_comparison(fits, stars, title="Gaia DR3, G band")
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "RRab: 3 stars, median $+0.100$, scatter 0.148 rad, 1 not shown",
        "RRc: 1 star, median $+0.000$, scatter 0.000 rad",
    ]
    assert figure.axes[0].get_title() == "Gaia DR3, G band"


def test_a_file_keeps_what_is_said_about_its_figure(tmp_path):
    figures.save_figure(figures.cumulative_snr({"a": [1.0, 2.0]}), tmp_path / "one.png", "±0.2 dex")
    with Image.open(tmp_path / "one.png") as image:
        assert image.text["Description"] == "±0.2 dex"


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_draw_is_said(name, tmp_path):
    figure = EMPTY[name]()
    assert "no stars" in texts_of(figure)
    figures.save_figure(figure, tmp_path / "empty.png")


def test_no_training_history_is_said():
    assert "no training history" in texts_of(figures.learning_curves({}))


@pytest.mark.parametrize("stars", [1, 2, 3])
def test_few_stars_are_enough_for_every_figure_of_metallicities(stars, tmp_path):
    for figure in (
        figures.predicted_against_true(TRUE[:stars], PREDICTED[:stars]),
        figures.metallicity_histogram({"predicted": PREDICTED[:stars]}),
        figures.sample_weights(TRUE[:stars], [1.0] * stars, [1.0] * stars),
        figures.bailey_diagram([0.5] * stars, [0.3] * stars, TRUE[:stars], "I"),
    ):
        figures.save_figure(figure, tmp_path / "few.png")
        assert "no stars" not in texts_of(figure)


def test_the_metrics_are_of_the_pairs_drawn():
    true, predicted = np.append(TRUE, np.nan), np.append(PREDICTED, 0.0)
    text = texts_of(figures.predicted_against_true(true, predicted))
    assert f"$N$ = {len(TRUE)}" in text
    assert f"RMSE = {root_mean_squared_error(TRUE, PREDICTED):.3f} dex" in text
    assert f"${np.mean(PREDICTED - TRUE):+.3f}$" in text


def test_every_point_is_within_the_axes():
    predicted = PREDICTED.copy()
    predicted[0] += 2.5
    figure = figures.predicted_against_true(TRUE, predicted)
    for axes in figure.axes:
        offsets = axes.collections[0].get_offsets()
        assert len(offsets) == len(TRUE)
        assert offsets[:, 1].min() > axes.get_ylim()[0]
        assert offsets[:, 1].max() < axes.get_ylim()[1]


def test_every_weight_is_drawn_at_its_metallicity():
    figure = figures.sample_weights(TRUE, 1 / (3 - TRUE), 0.5 / (3 - TRUE))
    final, by_density = (line.get_xydata() for line in figure.axes[1].get_lines())
    np.testing.assert_allclose(final, np.column_stack([TRUE, 0.5 / (3 - TRUE)]))
    np.testing.assert_allclose(by_density, np.column_stack([TRUE, 1 / (3 - TRUE)]))
    assert figure.axes[1].get_ylim()[1] > final[:, 1].max()


def test_every_star_is_in_one_bin_of_a_histogram():
    values = np.array([-2.0, -1.5, -1.5, -1.0, 0.0, np.nan])
    figure = figures.metallicity_histogram({"predicted": values, "true": TRUE})
    assert "predicted (5)" in texts_of(figure)
    filled = figure.axes[1].patches[0].get_path().vertices
    assert filled[:, 1].max() >= 2
    edges = np.unique(filled[:, 0])
    assert edges.min() <= -2.0
    assert edges.max() >= 0.0


def test_phased_points_are_those_kept_minus_the_mean_and_one_star_is_marked():
    figure = draw_phased("feh")
    axes = figure.axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    assert len(points) == 30 * 36
    assert points[:, 1].min() == pytest.approx(-0.3, abs=0.01)
    assert points[:, 1].max() == pytest.approx(0.3, abs=0.01)
    bottom, top = axes.get_ylim()
    assert bottom > 0.3 > -0.3 > top
    [marked] = axes.get_lines()
    assert len(marked.get_xdata()) == 36
    assert "one of 30 stars, 1,080 points" in texts_of(figure)
    assert "[Fe/H] (dex)" in texts_of(figure)
    assert "Period (d)" in texts_of(draw_phased("period"))


def test_the_marked_star_is_the_best_of_those_with_the_median_number_of_points():
    stars = ["few", "usual", "better", "many"]
    fits = make_fits(*stars).assign(snr=[90.0, 10.0, 50.0, 99.0])
    folded = pd.concat(
        make_folded(star, points=points).assign(mag=16.0 + place)
        for place, (star, points) in enumerate(zip(stars, (20, 40, 40, 60), strict=True))
    )
    figure = figures.phased_curves(fits, folded, pd.Series(-1.0, stars, name="feh"))
    [marked] = figure.axes[0].get_lines()
    assert set(marked.get_ydata()) == {2.0}


def test_a_cumulative_distribution_ends_at_one_and_counts_what_it_draws():
    figure = figures.cumulative_snr({"G": [30.0, 10.0, np.nan, 20.0, 0.0]})
    [line] = figure.axes[0].get_lines()
    assert line.get_xdata().tolist() == [10.0, 20.0, 30.0]
    assert line.get_ydata().tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert "G (3)" in texts_of(figure)


def test_a_network_is_drawn_with_shapes_parameters_and_their_sum():
    text = texts_of(figures.network_layers(make_layers(), "ks"))
    for part in ("bilstm1", "32 neurons", "60 \N{MULTIPLICATION SIGN} 2", "8,960", "9,025"):
        assert part in text


def test_magnitudes_increase_downwards_and_rejected_points_are_marked():
    folded = make_folded("a")
    [axes] = [
        axes
        for axes in figures.light_curve_panel(["a"], make_fits("a"), folded).axes
        if axes.axison
    ]
    assert axes.yaxis_inverted()
    marks = {line.get_marker(): line for line in axes.lines}
    cycles = np.concatenate([folded["phase"], folded["phase"] + 1])
    rejected = np.tile(~folded["kept"], 2) & (cycles < 1.5)
    np.testing.assert_allclose(np.sort(marks["x"].get_xdata()), np.sort(cycles[rejected]))
    assert len(marks["o"].get_xdata()) == np.sum(~rejected & (cycles < 1.5))


def test_the_curve_goes_through_the_points_over_the_whole_panel():
    folded = make_folded("a")
    axes = figures.light_curve_panel(["a"], make_fits("a"), folded).axes[0]
    [curve] = [line for line in axes.lines if line.get_marker() == "None"]
    phase, model = curve.get_data()
    assert phase[0] == 0
    assert phase[-1] == pytest.approx(1.5)
    expected = 16.0 - 0.3 * np.sin(2 * np.pi * phase)
    np.testing.assert_allclose(model, expected, atol=1e-9)


def test_a_star_without_a_fit_shows_why():
    failed = make_fits("b", status="too_few_epochs").assign(
        curve=None, period=np.nan, n_epochs=np.nan, mean_mag=np.nan
    )
    fits = pd.concat([make_fits("a"), failed], ignore_index=True)
    feh = pd.DataFrame({"star_id": ["a", "b"], "feh": [-1.234, np.nan]})
    text = texts_of(figures.light_curve_panel(["a", "b"], fits, make_folded("a"), feh))
    assert "too_few_epochs" in text
    assert "[Fe/H] = $-1.23$" in text


def test_the_best_epoch_is_marked():
    axes = figures.learning_curves({3: make_history()}).axes[0]
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert [list(line.get_xdata()) for line in dotted] == [[12, 12]]


def test_a_history_without_validation_is_drawn():
    axes = figures.learning_curves({0: make_history().drop(columns="val_loss")}).axes[0]
    assert len(axes.lines) == 1


def test_all_figures_have_one_scale_of_metallicities():
    low, high = FEH_RANGE
    for stars in (slice(0, 30), slice(0, 400)):
        figure = figures.bailey_diagram(TRUE[stars] + 3, TRUE[stars] + 3, TRUE[stars], "G")
        figure.draw_without_rendering()
        [points] = figure.axes[0].collections
        assert (points.norm.vmin, points.norm.vmax) == (low, high)
        assert figure.axes[1].get_ylim() == (low, high)


def test_pulsation_types_have_their_own_marks_and_are_counted():
    types = np.where(np.arange(400) < 100, "RRc", "RRab")
    figure = figures.bailey_diagram(TRUE + 3, TRUE + 3, TRUE, "Ks", "VVV", types)
    numbers = sorted(len(points.get_offsets()) for points in figure.axes[0].collections)
    assert numbers == [100, 300]
    text = texts_of(figure)
    assert "RRab (300)" in text
    assert "RRc (100)" in text
    assert "VVV: 400 stars" in text
    alone = figures.bailey_diagram(TRUE + 3, TRUE + 3, TRUE, "Ks", "VVV", ["RRc"] * 400)
    assert "VVV: 400 RRc stars" in texts_of(alone)


def test_the_lines_of_the_oosterhoff_groups_are_drawn_where_they_are_known():
    for band, lines in (("G", 2), ("I", 2), ("Ks", 0)):
        figure = figures.bailey_diagram(0.55 + TRUE / 20, TRUE + 3, TRUE, band)
        assert len(figure.axes[0].get_lines()) == lines
    # The second group has the amplitudes of the first at periods longer by 0.06 dex.
    period = np.array([0.5, 0.6])
    np.testing.assert_allclose(
        oosterhoff_amplitude(period * 10**0.06, "V", "II"), oosterhoff_amplitude(period, "V", "I")
    )


def test_the_lines_of_the_oosterhoff_groups_in_i_are_those_of_kunder_2013():
    x = np.log10(period := np.linspace(0.45, 0.75, 30))
    for group, line in (
        ("I", -1.64 - 13.78 * x - 19.30 * x**2),
        ("II", -0.89 - 11.46 * x - 19.30 * x**2),
    ):
        np.testing.assert_allclose(oosterhoff_amplitude(period, "I", group), line, atol=0.01)


def test_of_many_stars_a_bailey_diagram_shows_the_mean_of_cells(monkeypatch):
    monkeypatch.setattr(metallicities, "MOST_POINTS", 100)
    figure = figures.bailey_diagram(TRUE + 3, PREDICTED + 3, TRUE, "Ks")
    means = figure.axes[0].collections[0].get_array().compressed()
    assert 50 < len(means) <= 400
    assert TRUE.min() <= means.min() <= means.max() <= TRUE.max()
    assert figure.axes[1].get_ylabel() == "Mean [Fe/H] (dex)"


def test_r2_is_weighted_by_the_errors_of_labels_and_says_so():
    errors = np.where(np.arange(400) < 200, 0.05, 0.5)
    text = texts_of(figures.predicted_against_true(TRUE, PREDICTED, errors=errors))
    assert f"weighted = {r2_score(TRUE, PREDICTED, 1 / errors**2):.3f}" in text
    assert f"median {np.median(errors):.2f}" in text
    unknown = np.where(np.arange(400) == 0, np.nan, errors)
    text = texts_of(figures.predicted_against_true(TRUE, PREDICTED, errors=unknown))
    assert f"$R^2$ unweighted = {r2_score(TRUE, PREDICTED):.3f}" in text


def test_a_figure_is_also_a_pdf_with_the_same_bytes_every_time(tmp_path):
    for name in ("one.pdf", "two.pdf"):
        figures.save_figure(FIGURES["bailey_diagram"](), tmp_path / name)
    content = (tmp_path / "one.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"CreationDate" not in content
    assert content == (tmp_path / "two.pdf").read_bytes()
    with pytest.raises(ValueError, match=r"as .png or .pdf"):
        figures.save_figure(FIGURES["bailey_diagram"](), tmp_path / "three.jpg")


def test_the_match_radius_is_drawn():
    figure = figures.match_quality([0.1, 0.2], [0.9], 4, [1e-6], 1e-4, 1.5, "Gaia")
    assert [1.5, 1.5] in [list(line.get_xdata()) for line in figure.axes[0].get_lines()]
    assert 'match radius 1.5"' in texts_of(figure)


def test_light_curves_say_why_they_are_shown(tmp_path):
    fits = make_fits("a", "b", "c").assign(snr=[50.0, 20.0, 90.0])
    reasons = figures.choose_light_curves(fits, ["c"], first=1, worst=1)
    assert reasons == {"c": "asked for", "a": "first in the list", "b": "lowest S/N"}
    tables = {"stars": fits[["star_id"]].assign(pulsation_type="RRc"), "fits": fits}
    tables["folded"] = make_folded("a", "b", "c")
    tables["feh"] = pd.DataFrame(
        {"star_id": ["b"], "feh": [-1.4], "feh_err": [0.25], "status": ["unlike_training"]}
    )
    files = {name: [str(tmp_path / f"{name}.parquet")] for name in tables}
    for name, [path] in files.items():
        write_table(tables[name], path)
    show = {"show": {"stars": [], "first": 0, "worst": 1}}
    figure = draw_light_curves(Subject({"sample": "g"}, files, show, {"g": "Gaia, G band"}))
    assert figure.axes[0].get_title().splitlines()[1:] == [
        "RRc, $P$ = 0.50000 d, $N$ = 40",
        r"[Fe/H] = $-1.40 \pm 0.25$, unlike_training",
        "lowest S/N",
    ]
    assert figure.get_suptitle() == "Gaia, G band"


def test_trials_are_shown_by_hyperparameter():
    figure = figures.search_trials(make_trials(), "rmse", "g_network")
    for text in ("network", "training.batch_size", "rmse", "g_network (1 diverged)"):
        assert text in texts_of(figure)
    kinds, sizes = figure.axes[:2]
    assert [label.get_text() for label in kinds.get_xticklabels()] == [
        "dropout: 0.1",
        "kernel_l1: 1e-06",
    ]
    assert [label.get_text() for label in sizes.get_xticklabels()] == ["64", "128"]
    np.testing.assert_allclose(sizes.collections[0].get_offsets(), [[0, 0.2], [1, 0.15]])
    assert "no trials" in texts_of(figures.search_trials(make_trials().iloc[2:], "rmse"))


def make_epoch_pairs(models=("rrab", "rrc"), stars: int = 300) -> pd.DataFrame:
    epochs = RNG.integers(12, 240, stars)
    true = RNG.normal(-1.5, 0.4, stars)
    pairs = pd.DataFrame({"n_epochs": epochs, "feh": true, "in_training": False, "status": "ok"})
    pairs["feh_predicted"] = true + RNG.normal(0, 3 / epochs)
    return pd.concat([pairs.assign(model=model) for model in models], ignore_index=True)


def test_metrics_by_epochs_are_those_of_the_stars_of_each_bin():
    pairs, edges = make_epoch_pairs(), [20, 50, 100]
    figure = figures.accuracy_by_epochs(pairs, {"rrab": "of RRab", "rrc": "of RRc"}, edges)
    above, below = figure.axes[:2], figure.axes[2:4]
    assert [axes.get_title() for axes in above] == ["of RRab", "of RRc"]
    assert figure.axes[4].lines[0].get_label() == "$R^2$ unweighted"
    assert all(len(axes.collections[0].get_offsets()) == 300 for axes in above)
    own = pairs[(pairs["model"] == "rrab") & (pairs["n_epochs"].between(20, 49))]
    rmse = below[0].lines[0]
    assert rmse.get_label() == "RMSE"
    assert rmse.get_xdata()[1] == own["n_epochs"].median()
    assert rmse.get_ydata()[1] == pytest.approx(
        root_mean_squared_error(own["feh"].to_numpy(), own["feh_predicted"].to_numpy())
    )
    assert below[0].texts[1].get_text() == str(len(own))


def test_accuracy_by_epochs_can_have_few_stars_or_none():
    pairs = make_epoch_pairs(("rrab",), 3)
    figure = figures.accuracy_by_epochs(pairs, {"rrab": "one", "rrc": "other"}, [20, 50])
    assert not len(figure.axes[2].lines[0].get_xdata())
    assert "no stars" in [text.get_text() for text in figure.axes[1].texts]
    figure.canvas.draw()
    figures.accuracy_by_epochs(pairs[:0], {"rrab": "one"}, [20]).canvas.draw()


def draw_sequences(tmp_path, recipe: dict, padded: int = 0) -> Figure:
    """Draw four stars, one of which is in no fold and one without a sequence at its end."""
    stars = [f"s{number}" for number in range(4)]
    table = pd.DataFrame({"star_id": stars, "period": [0.4, 0.5, 0.6, 0.7], "feh": -1.5})
    write_table(table.assign(fold=[0, 1, -1, 1]), tmp_path / "stars.parquet")
    phase = np.arange(10) / 10
    sequences = np.stack(
        [
            np.stack([phase * period, np.sin(6 * phase) + period], axis=1)
            for period in (0.7, 0.5, 0.4)
        ]
    )
    if padded:
        sequences[:, -padded:] = PADDING
    write_sequences(tmp_path / "stars.npz", np.array(["s3", "s1", "s0"]), sequences)
    files = {
        "training_set": str(tmp_path / "stars.parquet"),
        "sequences": str(tmp_path / "stars.npz"),
    }
    return figures.FIGURES["sequences"](Subject({"model": "m"}, files, {"sequence": recipe}))


def test_sequences_are_drawn_in_phase_whatever_the_order_of_the_stars(tmp_path):
    axes = draw_sequences(tmp_path, {"recipe": "spline", "points": 10}).axes[0]
    [lines] = axes.collections
    curves = {round(line[0, 1], 3): line for line in lines.get_segments()}
    assert sorted(curves) == [0.4, 0.5, 0.7]
    for line in curves.values():
        np.testing.assert_allclose(line[:, 0], np.arange(10) / 10, atol=1e-6)
    low, high = axes.get_ylim()
    assert low > high
    assert axes.get_ylabel() == "Magnitude minus mean (mag)"
    assert axes.get_title().endswith("3 stars")


def test_points_of_raw_sequences_are_drawn_without_the_padding(tmp_path):
    recipe = {"recipe": "dg22", "steps": 10, "magnitude": "plain"}
    axes = draw_sequences(tmp_path, recipe, padded=3).axes[0]
    assert axes.get_ylabel() == "Magnitude (mag)"
    points = axes.collections[0].get_offsets()
    assert np.count_nonzero(~np.ma.getmaskarray(points).any(axis=1)) == 3 * 7
    assert axes.yaxis_inverted()


def test_the_curves_of_no_star_are_drawn():
    empty = np.empty((0, 5))
    figure = figures.curves_by_metallicity(empty, empty, np.empty(0))
    assert "no stars" in [text.get_text() for text in figure.axes[0].texts]
