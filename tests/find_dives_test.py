"""Dives found in videos and judged, by what comes with the installation."""

import csv
import functools
import json
import pathlib

import numpy as np
import pytest
from html_page import Page
from video_test import write_frames

import aqa_jax
from aqa_jax import judge as judge_command
from aqa_jax.evaluation.found_dives import FoundDive, match
from aqa_jax.judging import judgement_table, kinetics
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_footage import other_shots
from tfds_mtl_aqa.simulated_footage.footage import simulate_footage
from tfds_mtl_aqa.simulated_footage.footage_config import (
  CONFIGS as FOOTAGE_CONFIGS,
)
from tfds_mtl_aqa.simulated_footage.picture import Picture, reduced

MEDIA = pathlib.Path(__file__).parents[2] / 'shared/media'
FOOTAGE = FOOTAGE_CONFIGS['as_longer']


@pytest.fixture(name='judge', scope='module')
def fixture_judge():
  return aqa_jax.load()


@pytest.fixture(name='alone')
def fixture_alone(monkeypatch):
  """The finder alone, as where I3D is not installed."""
  monkeypatch.setattr(kinetics, 'is_installed', lambda: False)


@functools.cache
def _footage(number):
  return simulate_footage(FOOTAGE, 'test', number)


def _judged(judge, frames, **options):
  return judge.dives(
    frames, frames_per_second=FOOTAGE.frames_per_second, **options
  )


def _found(judgement):
  return FoundDive(
    judgement.take_off_seconds,
    judgement.entry_seconds,
    judgement.dive_confidence,
  )


@pytest.fixture(name='judged', scope='module')
def fixture_judged(judge):
  """Eight videos of unseen events, and what was judged of each."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(kinetics, 'is_installed', lambda: False)
    return [
      (footage, _judged(judge, footage.frames))
      for footage in map(_footage, range(8))
    ]


def test_the_dives_of_unseen_events(judged):
  """Replays do not count. The whole test set is in docs/results.md."""
  figures = match(
    [[_found(j) for j in found if j.is_dive] for _, found in judged],
    [[(d.take_off, d.entry) for d in video.dives] for video, _ in judged],
  )
  assert figures.num_dives > 10
  assert figures.recall > 0.85 and figures.precision > 0.85
  assert figures.take_off_recall > 0.8
  for _, found in judged:
    assert all((j.score is not None) == j.is_dive for j in found)


def test_a_dive_that_is_cut_already_is_taken_to_its_end(judge, alone):
  dive = simulate_dive(CONFIGS['longer'], 'test', 2)
  (judgement,) = judge.dives(render_dive(dive)[:-2], frames_per_second=12.5)
  # What the network saw in its training: the window's last 32 frames.
  assert judgement.frame_numbers.tolist() == list(range(19, 51))
  entry = dive.flight.seconds - dive.frame_times[0]
  assert judgement.entry_seconds == pytest.approx(entry, abs=0.2)


def test_the_score_is_that_of_the_dive_itself(judge, judged):
  """Found in footage, and cut by the truth."""
  differences = []
  for footage, found in judged:
    for dive in footage.dives:
      near = [j for j in found if abs(j.entry_seconds - dive.entry) < 0.2]
      if near and len(differences) < 8:
        end = dive.entry + 0.65
        (cut,) = _judged(judge, footage.frames, end_seconds=end)
        differences.append(near[0].score - cut.score)
  assert len(differences) == 8
  assert np.abs(differences).mean() < 2


def _clips_without_dive():
  """30 clips in which nobody dives."""
  rng = np.random.default_rng(0)
  noise = rng.integers(0, 256, (60, 48, 64, 3)).astype(np.uint8)
  yield 'noise', noise
  yield 'one picture of noise', noise[:1].repeat(60, axis=0)
  for value in (0, 128, 255):
    yield f'grey {value}', np.full((60, 48, 64, 3), value, np.uint8)
  dive = simulate_dive(CONFIGS['clips_171x128'], 'test', 0)
  frames = render_dive(dive)
  for part in (20, 60, 90):
    yield f'still {part}', frames[part : part + 1].repeat(60, axis=0)
  for part in (slice(None, 30), slice(92, None)):
    yield f'part {part}', frames[part]
  footage = _footage(1)
  first = footage.dives[0]
  yield 'waiting', footage.frames[: round((first.take_off - 0.3) * 12.5)]
  picture = Picture(64, 48, 12.5)
  kinds = list(other_shots._KINDS)
  for number in range(19):
    kind = kinds[number % len(kinds)]
    times = np.arange(60) / 12.5
    shot = kind(times, np.random.default_rng(number))
    yield f'{kind.__name__} {number}', reduced(shot, picture, 60)


def test_what_is_no_dive_has_no_score(judge, alone):
  clips = dict(_clips_without_dive())
  assert len(clips) == 30
  scored = []
  for name, frames in clips.items():
    for judgement in judge.dives(frames, frames_per_second=12.5):
      if judgement.is_dive:
        # Not silently.
        assert any('not sure' in text for text in judgement.warnings)
        scored.append(name)
      else:
        assert judgement.score is None and not judgement.classes
        assert 'seems to show no dive' in judgement.warnings[-1]
        assert judgement.importance is None and judgement.caption is None
  assert len(scored) <= 1


def test_no_dive_is_refused(judge, alone):
  """At most one of fifty; here, of the first 20. More in docs/results.md."""
  refused = [
    index
    for index in range(20)
    if not judge(
      render_dive(simulate_dive(CONFIGS['longer'], 'test', index)),
      frames_per_second=12.5,
    ).is_dive
  ]
  assert not refused


def test_it_can_be_forced(judge, alone):
  frames = np.zeros((60, 48, 64, 3), np.uint8)
  judgement = judge(frames, frames_per_second=12.5, force=True)
  assert judgement.is_dive and judgement.score is not None
  assert any('judged all the same' in w for w in judgement.warnings)
  # Who gives the end says that it is one.
  placed = judge(frames, frames_per_second=12.5, end_frame=60)
  assert placed.score == judgement.score


def test_i3d_has_a_second_look(judge, monkeypatch):
  frames = np.zeros((60, 48, 64, 3), np.uint8)
  seen = []

  def probability(images):
    seen.append((len(images), images[0].shape))
    return 0.9

  monkeypatch.setattr(kinetics, 'is_installed', lambda: True)
  monkeypatch.setattr(kinetics, 'dive_probability', probability)
  judgement = judge(frames, frames_per_second=12.5)
  assert judgement.score is not None
  assert any('I3D' in warning for warning in judgement.warnings)
  assert seen == [(60, (48, 64, 3))]
  monkeypatch.setattr(kinetics, 'dive_probability', lambda images: 0.2)
  assert judge(frames, frames_per_second=12.5).score is None


def test_of_several_dives_the_call_gives_the_first(judge, alone):
  number = next(n for n in range(20) if len(_footage(n).dives) > 1)
  frames = _footage(number).frames
  dives = _judged(judge, frames)
  first = judge(frames, frames_per_second=FOOTAGE.frames_per_second)
  assert len(dives) > 1 and first.score == pytest.approx(dives[0].score)
  assert f'{len(dives)} dives' in first.warnings[-1]


def test_an_event_is_a_table(tmp_path, capsys, alone):
  number = next(n for n in range(20) if len(_footage(n).dives) > 1)
  write_frames(tmp_path / 'event.mp4', _footage(number).frames, 12.5)
  out = [f'--{kind}={tmp_path}/out.{kind}' for kind in ('json', 'csv', 'html')]
  code = judge_command.main(
    [f'{tmp_path}/event.mp4', *out, f'--annotated={tmp_path}']
  )
  said = capsys.readouterr().out
  rows = json.loads((tmp_path / 'out.json').read_text())
  assert code == 0 and len(rows) > 1
  assert said.startswith('This model has seen simulated dives only')
  lines = [line.split() for line in said.splitlines()]
  for index, row in enumerate(rows, 1):
    (line,) = [words for words in lines if words[:1] == [str(index)]]
    assert line[2] == judgement_table.clock(row['entry_seconds'])
    assert line[3] == f'{row["score"]:.1f}'
  assert len(list(tmp_path.glob('event_judged*.mp4'))) == len(rows)
  table = list(csv.DictReader((tmp_path / 'out.csv').read_text().splitlines()))
  assert [r['entry_seconds'] for r in table] == [
    str(row['entry_seconds']) for row in rows
  ]
  page = Page((tmp_path / 'out.html').read_text())
  assert len(page.all('article')) == len(rows)


@pytest.mark.parametrize(
  'seconds, text',
  [(None, '-'), (0, '0:00.0'), (59.96, '1:00.0'), (3723.44, '1:02:03.4')],
)
def test_times_as_a_player_shows_them(seconds, text):
  assert judgement_table.clock(seconds) == text


@pytest.mark.skipif(not MEDIA.is_dir(), reason='needs ../shared/media')
def test_real_videos(judge, alone):
  dive = judge(MEDIA / 'mtl_aqa_03_55.avi')
  # By eye: frame 20 is the first in the air, frame 66 shows the contact.
  assert dive.take_off_seconds == pytest.approx(19 / 30, abs=0.2)
  assert dive.entry_seconds == pytest.approx(65 / 30, abs=0.2)
  armstand = judge(MEDIA / 'diving_sample.gif')
  assert armstand.is_dive
  assert armstand.entry_seconds == pytest.approx(1.7, abs=0.2)
  other = judge(MEDIA / 'not_a_dive_arm_wrestling.mp4')
  assert not other.is_dive and other.score is None
