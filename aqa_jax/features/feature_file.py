"""Features of dives from a file, such as those of P3D by S3D's authors."""

import functools
import pathlib
import zipfile
from collections.abc import Mapping

import numpy as np

from aqa_jax.data.dive_split import DiveSplit, dive_keys
from aqa_jax.features.feature_source import FeatureSource
from aqa_jax.weights.fingerprint import arrays_fingerprint
from tfds_mtl_aqa.input_error import InputError


class FeatureFile(FeatureSource):
  """Features that are already computed, in a file of NumPy (.npz).

  For a split `test` the file has the arrays `test_<name>`, [dives, features] or
  [dives, steps, features], and `test_id`: int [dives], a label of each dive, or
  int [dives, 2], its event and sample. Without the name of the split it has
  them for all splits. Dives of the file that the split lacks don't count.

  Fields of its config: path; name, that of the array; id, the label; and
  seen_training_dives, see `have_seen_training_dives`.
  """

  @property
  def gives_sequences(self) -> bool:
    """Whether an array of the file has steps."""
    name = self.config.name
    return any(
      array.ndim == 3
      for key, array in self._arrays.items()
      if key == name or key.endswith(f'_{name}')
    )

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, features] or [dives, steps, features]."""
    path, arrays = self._path, self._arrays
    rows = _array(arrays, path, split, self.config.name)
    ids = _array(arrays, path, split, 'id')
    if rows.ndim != 2 + self.gives_sequences or ids.shape not in (
      rows.shape[:1],
      (len(rows), 2),
    ):
      raise InputError(
        f'{path}: has features of shape {list(rows.shape)} and ids of shape '
        f'{list(ids.shape)}; give [dives, features], or with steps in all '
        'splits [dives, steps, features], and [dives], or [dives, 2] for event '
        'and sample.'
      )
    if not np.isfinite(rows).all():
      raise InputError(f'{path}: a feature is not finite; compute them again.')
    places = {
      tuple(np.atleast_1d(dive).tolist()): place
      for place, dive in enumerate(ids)
    }
    if len(places) < len(ids):
      raise InputError(f'{path}: an id is there twice; give each dive once.')
    wanted = self._ids(dives, ids.ndim)
    missing = [dive for dive in wanted if dive not in places]
    if missing:
      raise InputError(
        f'{path}: has no features of {len(missing)} dives of the split '
        f'{split!r}, such as {", ".join(map(str, missing[0]))}; give a file '
        'with all, or another split.'
      )
    return rows[[places[dive] for dive in wanted]].astype(np.float64)

  def fingerprint(self, split: str) -> str:
    """Returns that of the split's arrays; see `FeatureSource`."""
    return arrays_fingerprint(
      [
        _array(self._arrays, self._path, split, name)
        for name in (self.config.name, 'id')
      ]
    )

  @property
  def _path(self) -> pathlib.Path:
    return pathlib.Path(self.config.path).expanduser()

  @functools.cached_property
  def _arrays(self) -> dict[str, np.ndarray]:
    return _read(self._path)

  def have_seen_training_dives(self) -> bool:
    """Returns what the config says."""
    return bool(self.config.seen_training_dives)

  def _ids(self, dives: DiveSplit, ndim: int) -> list[tuple[int, ...]]:
    """Returns by what the file names the dives."""
    if ndim == 2:
      return list(zip(*dive_keys(dives.labels), strict=True))
    name = self.config.id
    if name not in dives.labels:
      raise InputError(
        f"config.features.id='{name}': the dataset has no such label; give one "
        f'of {", ".join(sorted(dives.labels))}.'
      )
    return [(int(dive),) for dive in dives.labels[name]]

  def facts(self) -> Mapping[str, str]:
    """Returns the name of the file and of the array."""
    path = pathlib.Path(self.config.path)
    return {'features': f'{path.name}, {self.config.name}'}


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
  if not path.name:
    raise InputError('config.features.path is missing; give a .npz file.')
  try:
    # NumPy would leave a damaged file open.
    with open(path, 'rb') as file, np.load(file, allow_pickle=False) as arrays:
      return {name: arrays[name] for name in arrays}
  except FileNotFoundError as e:
    raise InputError(
      f'{path}: is not there; give the file with --config.features.path.'
    ) from e
  # TypeError, AttributeError: a .npy file.
  except (
    *(OSError, ValueError, EOFError, TypeError, AttributeError),
    zipfile.BadZipFile,
  ) as e:
    raise InputError(
      f'{path}: can not be read as .npz without pickles '
      f'({type(e).__name__}); write it with numpy.savez.'
    ) from e


def _array(
  arrays: Mapping[str, np.ndarray], path: pathlib.Path, split: str, name: str
) -> np.ndarray:
  for key in (f'{split}_{name}', name):
    if key in arrays:
      return arrays[key]
  raise InputError(
    f'{path}: has no array {split}_{name} or {name}; it has '
    f'{", ".join(sorted(arrays))}.'
  )
