import csv

import numpy as np
import pytest

from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.simulated_dives import dive, spoken_faults
from tfds_mtl_aqa.simulated_dives.commentary import MENTIONED, happened
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS

_SPLASH = 'off we go and what a huge splash'
_KNEES = 'a soft pair of knees there but well done'
_BOTH = 'water everywhere and knees a bit loose'
_NONE = 'hardly a bubble'


def _named(caption):
  return {
    fault
    for fault, is_named in zip(
      spoken_faults.FAULTS, spoken_faults.spoken_faults(caption), strict=True
    )
    if is_named
  }


def test_faults_are_found_in_whole_phrases():
  assert _named(_SPLASH) == {'splash'}
  assert _named(_BOTH) == {'splash', 'knee_bend'}
  assert _named(_NONE) == set()
  assert _named('a bit of') == set()


def test_captions_name_faults_that_happened():
  """Of the simulator's own captions, against the severities they came from."""
  named = 0
  for index in range(60):
    drawn = dive.simulate_dive(CONFIGS['clips_171x128'], 'train', index)
    from_caption = _named(drawn.caption)
    seen = {
      name
      for name, severity in happened(drawn.flight.faults).items()
      if severity >= MENTIONED
    }
    assert from_caption <= seen
    named += len(from_caption)
  assert named > 20


def test_comparison_by_hand():
  found = spoken_faults.compare(
    [_SPLASH, _KNEES, _BOTH, _NONE], [_SPLASH, _SPLASH, _SPLASH, _NONE]
  )
  # F1 of each pair: 1, 0, 2 / 3, 1.
  assert found['f1'] == pytest.approx((1 + 0 + 2 / 3 + 1) / 4)
  assert found['faults']['splash'] == {
    'true': 0.5,
    'said': 0.75,
    'right': pytest.approx(2 / 3),
  }
  assert found['faults']['knee_bend']['said'] == 0
  assert np.isnan(found['faults']['knee_bend']['right'])


def test_chance_is_what_the_same_captions_get_on_other_dives():
  truth = [_SPLASH, _KNEES] * 100
  right = spoken_faults.compare(truth, truth)
  assert right['f1'] == 1 and right['p_value'] < 0.01
  assert right['f1_by_chance'] == pytest.approx(0.5, abs=0.03)
  same = spoken_faults.compare(truth, [_SPLASH] * 200)
  assert same['f1'] == same['f1_by_chance'] == 0.5 and same['p_value'] == 1


def test_command(tmp_path, capsys):
  path = tmp_path / 'predictions_test.csv'
  with path.open('w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['true_caption', 'predicted_caption'])
    writer.writerows([[_SPLASH, _SPLASH], [_KNEES, _NONE]])
  spoken_faults.main([str(path)])
  out = capsys.readouterr().out
  assert 'splash            50.0      50.0     100.0' in out
  assert 'F1 0.500' in out


@pytest.mark.parametrize('content', [None, b'a,b\n1,2\n', b'\xff\xfe', b''])
def test_files_that_are_no_predictions(tmp_path, content):
  path = tmp_path / 'predictions.csv'
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(InputError, match=r'predictions\.csv'):
    spoken_faults.main([str(path)])
