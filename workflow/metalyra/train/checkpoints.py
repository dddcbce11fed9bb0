"""The state of a training on disk, from which a killed job goes on."""

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from metalyra.core.tables import replace_when_complete

_LOGGER = logging.getLogger(__name__)


class State(NamedTuple):
    """All that a training needs to go on as if it had never stopped.

    Attributes
    ----------
    variables
        Of the network: weights, and the states of its generators.
    optimizer
        Of the optimiser.
    best
        Weights of the best epoch so far.
    history
        A row of numbers for each epoch.
    random
        State of the generator that shuffles the stars.
    """

    variables: list[np.ndarray]
    optimizer: list[np.ndarray]
    best: list[np.ndarray]
    history: Sequence[tuple[float, ...]]
    random: Mapping[str, Any]


@dataclass
class Checkpoint:
    """A file that keeps the state of one training while it goes on.

    Attributes
    ----------
    path
        Of the file.
    interval
        Seconds between two saves; they leave no trace in what is learnt.
    """

    path: Path
    interval: float = 60.0
    _saved: float = field(default_factory=time.monotonic, repr=False)

    def is_due(self) -> bool:
        """Tell whether the last save is long enough ago."""
        return time.monotonic() - self._saved >= self.interval

    def write(self, state: State, identity: str) -> None:
        """Save the state of the training that `identity` names, complete or not at all."""
        lists = {"variables": state.variables, "optimizer": state.optimizer, "best": state.best}
        arrays = {
            f"{name}_{number}": np.asarray(array)
            for name, values in lists.items()
            for number, array in enumerate(values)
        }
        about = {
            "identity": identity,
            "random": state.random,
            "numbers": {name: len(values) for name, values in lists.items()},
        }
        with replace_when_complete(self.path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                about=json.dumps(about),
                history=np.array(state.history),
                **arrays,
                allow_pickle=False,
            )
        self._saved = time.monotonic()

    def read(self, identity: str) -> State | None:
        """Return what was saved of the training that `identity` names.

        Returns
        -------
        State or None
            None where nothing was saved; and, with a warning in the log, where the file
            is damaged or of another training.
        """
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file, np.load(file) as arrays:
                about = json.loads(str(arrays["about"]))
                lists = {
                    name: [arrays[f"{name}_{place}"] for place in range(number)]
                    for name, number in about["numbers"].items()
                }
                history = [tuple(row) for row in arrays["history"].tolist()]
                state = State(history=history, random=about["random"], **lists)
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            _LOGGER.warning("the checkpoint %s is damaged and not used: %s", self.path, error)
            return None
        if about["identity"] != identity:
            _LOGGER.warning(
                "the checkpoint %s is of other settings or data and not used", self.path
            )
            return None
        _LOGGER.info("going on after epoch %d of %s", len(history), self.path)
        return state

    def remove(self) -> None:
        """Remove the file, once the training's results are safe."""
        self.path.unlink(missing_ok=True)


def identify(settings: Mapping[str, Any], arrays: Iterable[np.ndarray]) -> str:
    """Return a name of a training that changes with its settings and with its data."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
