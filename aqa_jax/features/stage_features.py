"""Features of the stages of dives, as S3D has them."""

import functools
from collections.abc import Mapping

import numpy as np

from aqa_jax.data import stage_labels
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.features.frame_features import CentredClips
from aqa_jax.features.stage_network import StageNetwork
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import STAGES

ALL_STAGES = (*STAGES, 'ending')
# Before the jump there is nothing to judge.
_JUDGED = ALL_STAGES[1:]


class StageFeatures(CentredClips):
  """A layer of a frozen trunk, the mean over four stages of a dive.

  The stages are the jump, the drop, the entry and the ending. Of each it is a
  clip that is centred in it, moved where it would reach beyond the stored
  frames.

  Fields of its config: those of `CentredClips`; stages, the workdir of a
  training with `configs/ed_tcn.py` that tells where stages end, '' for the
  labels of the dataset; and stage, one of ALL_STAGES, '' for the mean of four.
  """

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, features]; see `FeatureSource`."""
    config = self.config
    if config.stage not in ('', *ALL_STAGES):
      raise InputError(
        f"config.features.stage='{config.stage}': give one of "
        f"{', '.join(ALL_STAGES)}; or '' for the mean of "
        f'{", ".join(_JUDGED)}.'
      )
    # What is wrong is told before the stages are computed.
    num_frames = self._video_input.frames
    firsts = first_frames(
      self._ends(split, dives), num_frames, config.clip_frames
    )
    names = (config.stage,) if config.stage else _JUDGED
    chosen = firsts[:, [ALL_STAGES.index(name) for name in names]]
    rows = self.of_clips(split, dives, chosen).astype(np.float64)
    return rows.mean(axis=1)

  def _ends(self, split: str, dives: DiveSplit) -> np.ndarray:
    if self._network:
      return self._network.stage_ends(split, dives)
    return stage_labels.stage_ends(dives.labels, self.info)

  @functools.cached_property
  def _network(self) -> StageNetwork | None:
    """What tells the stages; None for the labels."""
    stages = self.config.stages
    return StageNetwork(stages, self.info) if stages else None

  def fingerprint(self, split: str) -> str:
    """Returns that of trunk and segmentation; see `FeatureSource`."""
    of_trunk = super().fingerprint(split)
    if not self._network:
      return of_trunk
    return f'{of_trunk} {self._network.fingerprint()}'

  def have_seen_training_dives(self) -> bool:
    """Returns whether trunk or segmentation were trained on this dataset."""
    return super().have_seen_training_dives() or bool(
      self._network and self._network.has_seen_training_dives()
    )

  def facts(self) -> Mapping[str, str]:
    """Returns weights, layer, clips and stages."""
    config = self.config
    return {
      'features': f'{config.layer} of {config.weights or "the model inside"}',
      'clips': f'{config.clip_frames} frames, of '
      + (config.stage or ', '.join(_JUDGED)),
      'stages': config.stages or 'the labels',
    }


def first_frames(
  ends: np.ndarray, num_frames: int, clip_frames: int
) -> np.ndarray:
  """Returns the first frame of a clip in each stage, int64 [dives, 5].

  Args:
    ends: int [dives, 4], where stages end. A stage whose end is before its
      beginning, or that has no frame, counts as the frame of its end.
    num_frames: stored frames; at least clip_frames.
    clip_frames: length of a clip.
  """
  count = len(ends)
  edges = np.concatenate(
    [
      np.zeros((count, 1), np.int64),
      np.clip(ends, 0, num_frames),
      np.full((count, 1), num_frames),
    ],
    axis=1,
  )
  begins, stops = np.minimum(edges[:, :-1], edges[:, 1:]), edges[:, 1:]
  centres = (begins + stops) // 2
  return np.clip(centres - clip_frames // 2, 0, num_frames - clip_frames)
