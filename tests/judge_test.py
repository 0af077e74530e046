"""A model as a library: videos and what it says of them."""

import concurrent.futures
import contextlib
import functools
import json

import numpy as np
import pytest

from aqa_jax import train
from aqa_jax.data.dive_split import open_builder
from aqa_jax.evaluation.conformal import ScoreIntervals
from aqa_jax.judging import kinetics
from aqa_jax.judging.clip import Clip
from aqa_jax.judging.judge import Judge
from aqa_jax.judging.judgement_page import judgement_page
from aqa_jax.judging.judgement_table import csv_text
from aqa_jax.judging.model_source import find_model
from tfds_mtl_aqa.input_error import InputError


def _clips(judge, tiny_dives, count=8):
  """Returns dives of the test split as clips."""
  builder = open_builder('simulated_dives/tiny', str(tiny_dives))
  split = train.dive_selection.select(builder, 'test')
  margin = (24 - judge.model.video_input.window_frames) // 2
  return [
    Clip(
      name=f'dive {index}',
      frames=list(split[index]['video'])[-margin - 12 : -margin],
      numbers=np.arange(1, 13),
      seconds=np.arange(12) / 5,
      padded=0,
      warnings=(),
    )
    for index in range(count)
  ]


def _video(seed=0, frames=30):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, (frames, 24, 32, 3), np.uint8)


def test_a_dive_is_judged_as_it_was_evaluated(tiny_training, judge, tiny_dives):
  _, predictions = tiny_training
  clips = _clips(judge, tiny_dives)
  for judged in (
    [judge.judge(clip) for clip in clips],
    list(judge.judge_each(iter(clips))),
  ):
    for index, judgement in enumerate(judged):
      outputs = predictions.outputs
      assert judgement.score == pytest.approx(outputs['score'][index], rel=1e-5)
      assert judgement.caption == ' '.join(outputs['captions'][index])
      row = {
        name: probabilities[index]
        for name, probabilities in outputs['class_probabilities'].items()
      }
      for name, probabilities in row.items():
        ours = judgement.class_probabilities[name]
        np.testing.assert_allclose(
          list(ours.values()), probabilities, rtol=1e-4
        )
        assert judgement.classes[name] == max(ours, key=ours.get)


def test_importance_is_of_the_frames_that_are_seen(judge):
  judgement = judge(_video(), force=True)
  assert judgement.importance.shape == judgement.frame_numbers.shape == (12,)
  assert judgement.frame_numbers.tolist() == list(range(19, 31))
  np.testing.assert_allclose(
    judgement.frame_seconds, (judgement.frame_numbers - 1) / 5
  )
  # A frame that the network does not see changes nothing.
  video = _video()
  video[:15] = 0
  assert judge(video, force=True).score == judgement.score
  video[25] = 0
  assert judge(video, force=True).score != judgement.score


def test_the_interval_is_that_of_the_validation_dives(
  tiny_training, judge, model_dir
):
  workdir, _ = tiny_training
  training = train.set_up(find_model(workdir).config, workdir)
  with contextlib.closing(training.checkpoints):
    training.state = training.checkpoints.restore_best(training.state)
    predictions = training.predictions(training.validation)
  errors = np.abs(
    predictions.outputs['score'] - predictions.label('final_score')
  )
  stored = json.loads((model_dir / 'model.json').read_text())['absolute_errors']
  np.testing.assert_allclose(stored, np.sort(errors), atol=1e-3)
  # Four dives promise no 90 %.
  judgement = judge(_video(), force=True)
  assert judgement.score_interval is None
  intervals = ScoreIntervals(tuple(range(1, 20)))
  other = Judge(judge.model.replace(intervals=intervals), judge.reader.finder)
  low, high = other(_video(), force=True).score_interval
  assert (low, high) == (judgement.score - 18, judgement.score + 18)


def test_a_score_that_no_such_dive_gets(judge):
  """A forward dive in pike, of difficulty 1.6, gets 48 points at most."""
  row = {
    'score': np.float32(60),
    'classes': {
      'position': 1, 'armstand': 0, 'rotation_type': 1, 'somersaults': 3,
      'twists': 0,
    },
  }  # fmt: skip
  clip = Clip('a.mp4', [], np.arange(12), np.arange(12) / 5, 0, ())
  judgement = judge._judgement(clip, row, None)
  assert judgement.dive_number == '103B'
  assert judgement.difficulties == {'10m': 1.6, '3m': 1.6}
  # It can not have it, from whatever height.
  assert judgement.executions == {}
  words = 'difficulty 1.6, at most 48.0 points'
  assert judgement.difficulty_words() == {'10m': words, '3m': words}
  assert '48.0 points at most' in judgement.warnings[0]
  row['score'] = np.float32(-2)
  assert judge._judgement(clip, row, None).score == 0
  row['score'] = np.float32(48)
  assert not judge._judgement(clip, row, None).warnings
  # 105B: 2.3 from 10 m, 2.4 from 3 m.
  row['score'] = np.float32(72)
  row['classes']['somersaults'] = 5
  judgement = judge._judgement(clip, row, None)
  assert judgement.difficulties == {'10m': 2.3, '3m': 2.4}
  assert judgement.executions == {'3m': pytest.approx(30)}
  assert judgement.difficulty_words() == {
    '10m': 'difficulty 2.3, at most 69.0 points',
    '3m': 'difficulty 2.4, execution 30.0 of 30',
  }
  assert not judgement.warnings


def test_of_what_is_no_dive_no_frame_is_judged(judge, monkeypatch):
  monkeypatch.setattr(kinetics, 'is_installed', lambda: False)
  (judgement,) = judge.dives(_video(), frames_per_second=5, with_pictures=True)
  assert not judgement.is_dive and judgement.score is None
  assert 'array: no dive\n' in str(judgement)
  assert 'frames' not in str(judgement).replace('frames are', '')
  found = judgement.to_dict()
  assert found['frame_numbers'] == found['frame_seconds'] == []
  assert judgement.pictures == ()
  assert 'first_frame' not in csv_text([found])
  page = judgement_page([judgement], judge.model)
  assert 'no dive</small>' in page and '<img' not in page
  assert '<title>0 dives judged' in page


def test_frames_that_do_not_tell_their_rate(judge):
  """What is taken for it is told."""
  (judgement,) = judge([_video()], force=True)
  assert 'its frames count as 5 a second' in judgement.warnings[0]
  judgement = judge(_video(), force=True, frames_per_second=5)
  assert 'No rate' not in ' '.join(judgement.warnings)
  with pytest.raises(InputError, match='frames_per_second=True'):
    judge(_video(), frames_per_second=True)


def test_a_list_is_judged_as_its_videos_are(judge):
  videos = [_video(seed) for seed in range(11)]
  together = judge(videos, force=True)
  assert len(together) == 11
  for video, judgement in zip(videos, together, strict=True):
    alone = judge(video, force=True)
    assert judgement.score == pytest.approx(alone.score, rel=1e-5)
  assert judge([]) == []


def test_several_threads(judge):
  videos = [_video(seed) for seed in range(6)]
  forced = functools.partial(judge, force=True)
  alone = [forced(video).score for video in videos]
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert [j.score for j in pool.map(forced, videos)] == alone


def test_it_says_that_it_has_seen_simulated_dives_only(judge):
  judgement = judge(_video(), force=True)
  assert str(judgement).startswith('This model has seen simulated dives only')
  assert next(iter(judgement.to_dict())) == 'note'
  # JSON has no infinity, and no array.
  assert json.loads(json.dumps(judgement.to_dict(), allow_nan=False))


@pytest.mark.parametrize('item', [None, 5, b'a.mp4', [None], [['a.mp4']]])
def test_what_is_no_video(judge, item):
  with pytest.raises(TypeError, match='is no video'):
    judge(item)


def test_options_that_are_wrong(judge):
  with pytest.raises(TypeError, match="unknown option 'end_second'"):
    judge(_video(), end_second=2)
  for options in (
    {'frames_per_second': 0},
    {'frames_per_second': '25'},
    {'end_seconds': '2'},
    {'speed': None},
  ):
    (name,) = options
    with pytest.raises(InputError, match=f'{name}='):
      judge(_video(), **options)


@pytest.mark.parametrize('name', ['', '~no_such_user/a.mp4', 'a' * 300, 'a\0b'])
def test_names_that_can_not_be(judge, name):
  with pytest.raises(InputError):
    judge(name)
  with pytest.raises(InputError):
    find_model(name)
