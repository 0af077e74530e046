"""The pictures of the dives in a report, and the importance of their frames."""

import base64

import cv2
import dive_tasks
import numpy as np
import pytest
from made_up_report import FRAMES, predictions_of, strip, write_page

from aqa_jax.evaluation import evaluation_files
from aqa_jax.report import filmstrip, report
from tfds_mtl_aqa.labels import CLASS_NAMES


def test_shown_dives_have_filmstrips(tmp_path):
  predictions = predictions_of(20)
  asked = []

  def strips(index):
    asked.append(index)
    return strip(index)

  page, _ = write_page(tmp_path, predictions, strips=strips)
  error = np.abs(
    predictions.outputs['score'] - predictions.labels['final_score']
  )
  order = error.argsort().tolist()
  assert asked[:3] == order[::-1][:3]
  assert sorted(asked[3:6], key=order.index) == order[8:11]
  assert asked[6:] == order[:3]
  articles = page.all('article')
  assert [a['id'] for a, _ in articles] == [
    f'{kind}-{rank}'
    for kind in ('worst', 'typical', 'best')
    for rank in (1, 2, 3)
  ]
  assert len(page.all('img')) == 9 * 8
  rows = evaluation_files.prediction_rows(
    dive_tasks.tasks_of(predictions), predictions
  )
  for index, (_, text) in zip(asked, articles, strict=True):
    row = rows[index]
    assert f'event {row["event"]}, dive {row["sample"]}, 5253B' in text
    assert f'predicted {row["predicted_score"]:.2f}' in text
    assert f'true {row["true_score"]:.2f}' in text
    assert 'generated a good dive true a very good dive' in text
    for task, names in CLASS_NAMES.items():
      guess = row[f'predicted_{task}']
      share = predictions.outputs['class_probabilities'][task][index]
      words = f'{task.replace("_", " ")} {guess} {100 * share.max():.0f} %'
      assert words in text
      if guess != row[f'true_{task}']:
        true = row[f'true_{task}']
        assert f'true: {true} {100 * share[names.index(true)]:.0f} %' in text
  # The dots of these dives lead to them, in both charts.
  links = [a['xlink:href'] for a, _ in page.all('a') if 'xlink:href' in a]
  assert sorted(links) == sorted(2 * [f'#{a["id"]}' for a, _ in articles])


@pytest.mark.parametrize('num_dives', [1, 2, 3, 4, 7, 8, 9, 10])
def test_no_dive_is_shown_twice(num_dives):
  shown = report.dives_to_show(predictions_of(num_dives))
  places = [index for indices in shown.values() for index in indices]
  assert len(set(places)) == len(places) == min(num_dives, 9)
  assert len(shown['worst']) == max(min((num_dives + 1) // 3, 3), 0)


def test_bars_are_the_importances(tmp_path):
  page, _ = write_page(tmp_path, predictions_of(1))
  bars = [
    attributes
    for attributes, _ in page.all('rect')
    if 'plus' in attributes.get('class', '')
    or 'minus' in attributes.get('class', '')
  ]
  values = np.linspace(-2, 1, FRAMES) / 2
  assert len(bars) == FRAMES
  for bar, value in zip(bars, values, strict=True):
    assert float(bar['height']) == pytest.approx(abs(value), abs=1e-3)
    assert float(bar['y']) == pytest.approx(min(-value, 0), abs=1e-3)
    assert bar['class'].startswith('plus' if value >= 0 else 'minus')
  titles = [t for _, t in page.all('title')][1:]
  assert titles[0] == 'frame 3: \N{MINUS SIGN}2.00 points'
  assert titles[-1] == 'frame 20: +1.00 points'
  assert 'the longest bar is 2.00 points' in page.text('article')


def test_filmstrip_shows_the_frames_it_names():
  video = np.arange(20, dtype=np.uint8)[:, None, None, None]
  video = np.broadcast_to(10 * video, (20, 180, 150, 3))
  offsets = np.floor(2.5 * np.arange(20)).astype(int)
  segments = filmstrip.make_filmstrip(video, offsets, np.arange(20.0))
  assert len(segments) == 8
  np.testing.assert_array_equal(
    np.concatenate([segment.frames for segment in segments]), offsets + 1
  )
  np.testing.assert_array_equal(
    np.concatenate([segment.importances for segment in segments]), np.arange(20)
  )
  for segment in segments:
    data = base64.b64decode(segment.picture.split(',')[1])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (128, 107, 3)
    place = np.flatnonzero(offsets + 1 == segment.frames[segment.shown])[0]
    assert abs(picture.mean() - 10 * place) < 2
  assert len(filmstrip.make_filmstrip(video[:3], [0, 1, 2], np.zeros(3))) == 3
  with pytest.raises(ValueError, match='frames differ'):
    filmstrip.make_filmstrip(video, offsets, np.zeros(19))
