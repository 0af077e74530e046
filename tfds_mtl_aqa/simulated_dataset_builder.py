"""The base class of the simulated datasets: how their frames are rendered."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds

from tfds_mtl_aqa import frame_cache
from tfds_mtl_aqa.dive_dataset_builder import DiveDatasetBuilder


class SimulatedDatasetBuilder(DiveDatasetBuilder, skip_registration=True):
  """Base class of datasets whose examples are rendered, from a seed.

  A subclass gives `simulation`, `num_examples`, `render` and `make_example`.
  """

  @property
  def simulation(self) -> Any:
    """Sizes, numbers and seed of the set, a frozen dataclass.

    Its text tells whether frames of an earlier run can be used.
    """
    raise NotImplementedError

  @property
  def num_examples(self) -> dict[str, int]:
    """Number of examples by split."""
    raise NotImplementedError

  @staticmethod
  def render(simulation: Any, split: str, index: int) -> list[bytes]:
    """Returns the frames of an example, the content of JPEG files.

    Args:
      simulation: see the property of this name.
      split: name of the split.
      index: place of the example in the split, from 0.
    """
    raise NotImplementedError

  def make_example(
    self, split: str, index: int, frames: list[bytes]
  ) -> Mapping[str, Any]:
    """Returns an example as it is stored.

    Args:
      split: name of the split.
      index: place of the example in the split, from 0.
      frames: what `render` has returned for it.
    """
    raise NotImplementedError

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[str, Mapping[str, Any]]]]:
    del dl_manager  # Nothing is downloaded.
    return {name: self._generate_examples(name) for name in self.num_examples}

  def _generate_examples(
    self, split: str
  ) -> Iterator[tuple[str, Mapping[str, Any]]]:
    keys = [f'{split}-{i:06d}' for i in range(self.num_examples[split])]
    frames_by_key = frame_cache.cached_frames(
      keys,
      functools.partial(_make_frames, self.render, self.simulation),
      self.frames_dir,
      fingerprint=functools.partial(
        _fingerprint, str(self.VERSION), self.simulation
      ),
      num_processes=self.num_processes,
      description=split,
    )
    for index, (key, frames) in enumerate(frames_by_key):
      yield key, self.make_example(split, index, frames)


def _make_frames(
  render: Callable[[Any, str, int], list[bytes]], simulation: Any, key: str
) -> list[bytes]:
  split, index = key.rsplit('-', 1)
  return render(simulation, split, int(index))


def _fingerprint(version: str, simulation: Any, key: str) -> str:
  return f'{version} {simulation} {key}'
