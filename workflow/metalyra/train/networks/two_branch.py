"""Networks that read the curve, the first channel, apart from the constant channels.

Meant for curves at equal phases (the recipe gp_curve); the constants, such as the
period, join the features of the curve before the dense layers.
"""

from typing import TYPE_CHECKING, Literal

from metalyra.core.bounds import Count, Counts, Share, ShareOfEach
from metalyra.train.networks import network

if TYPE_CHECKING:
    import keras


@network("joined_convolutional")
def joined_convolutional(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    filters: Counts = (16, 32, 48),
    kernel_sizes: Counts = (2, 3, 3),
    summary: Literal["flatten", "maximum"] = "flatten",
    hidden: Count = 64,
    dropout: ShareOfEach = (0.0, 0.12, 0.14, 0.5),
) -> "keras.KerasTensor":
    """Stack convolutions of the curve, and join the constants before a dense layer.

    The convolutional variants in the code published with Dékány & Grebel (2022), which
    the paper does not describe: three convolutions with batch normalisation, leaky ReLU
    and maxima over three steps in strides of two.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels), the curve in the first channel.
    mask
        Not used: such curves have no gaps.
    filters, kernel_sizes
        Filters of each convolution, and their widths in steps (published: 16, 32, 48;
        with summary "maximum" 16, 48, 64).
    summary
        "flatten" passes all steps on, "maximum" each filter's maximum over the curve,
        without pooling after the last convolution.
    hidden
        Neurons of the dense layer.
    dropout
        Dropout after each convolution and after the dense layer; one more value than
        there are convolutions.

    Returns
    -------
    keras.KerasTensor
        Shape (n, hidden).

    Raises
    ------
    ValueError
        If the summary is unknown, or the settings of the layers differ in number.
    """
    from keras import layers

    from metalyra.train.layers import Constants, Curve

    if summary not in ("flatten", "maximum"):
        raise ValueError(f"summary is {summary!r}; allowed are 'flatten' and 'maximum'")
    *rates, last_rate = dropout
    curve = Curve(name="curve")(sequences)
    for number, (width, size, rate) in enumerate(
        zip(filters, kernel_sizes, rates, strict=True), start=1
    ):
        curve = layers.Conv1D(width, size, padding="same", name=f"convolution{number}")(curve)
        curve = layers.BatchNormalization(name=f"normalisation{number}")(curve)
        curve = layers.LeakyReLU(name=f"activation{number}")(curve)
        if number == len(filters) and summary == "maximum":
            curve = layers.GlobalMaxPooling1D(name="maximum")(curve)
        else:
            curve = layers.MaxPooling1D(3, strides=2, name=f"pool{number}")(curve)
        curve = layers.Dropout(rate, name=f"dropout{number}")(curve)
    features = layers.Flatten(name="flatten")(curve)
    features = layers.Concatenate(name="join")([features, Constants(name="constants")(sequences)])
    features = layers.Dense(hidden, name="dense")(features)
    features = layers.LeakyReLU(name="activation")(features)
    return layers.Dropout(last_rate, name="dropout")(features)


@network("principal_components")
def principal_components(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    components: Count = 4,
    hidden: Counts = (20, 20),
    activation: str = "tanh",
    dropout: Share = 0.0,
) -> "keras.KerasTensor":
    """Connect the principal components of the curve fully (Hajdu et al. 2018).

    The regressors are the coefficients of the curve on the first eigenvectors of the
    training set (Dékány & Grebel 2022, Sec. 4), joined by the constant channels, if there
    are any. The sizes of the published network are not in the papers that we have: these
    are those of a small perceptron of two layers.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels), the curve in the first channel.
    mask
        Not used: such curves have no gaps.
    components
        Number of principal components (published: 4).
    hidden
        Neurons of each dense layer.
    activation
        Activation of the dense layers.
    dropout
        Dropout after each dense layer.

    Returns
    -------
    keras.KerasTensor
        Shape (n, hidden[-1]).
    """
    from keras import layers

    from metalyra.train.layers import Constants, Curve, PrincipalComponents

    curve = layers.Flatten(name="flatten")(Curve(name="curve")(sequences))
    coefficients = PrincipalComponents(components, name="components")(curve)
    features = layers.Concatenate(name="join")(
        [coefficients, Constants(name="constants")(sequences)]
    )
    for number, width in enumerate(hidden, start=1):
        features = layers.Dense(width, activation=activation, name=f"dense{number}")(features)
        features = layers.Dropout(dropout, name=f"dropout{number}")(features)
    return features
