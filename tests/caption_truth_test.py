import numpy as np
import pytest
from dive_tasks import dive_schema
from sacrebleu.metrics.bleu import BLEU

from aqa_jax.data.spoken_classes import contradicted, spoken_classes
from aqa_jax.evaluation.caption_diversity import distinct_share, self_bleu
from aqa_jax.evaluation.caption_truth import MEASURES, caption_truth
from aqa_jax.predictions import Predictions
from aqa_jax.report.caption_tables import caption_truth_tables
from aqa_jax.tasks.captions import CaptionsTask
from tfds_mtl_aqa.labels import CLASS_NAMES
from tfds_mtl_aqa.simulated_dives import spoken_faults
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.faults import MAX_SPLASH, NAMES
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS

_SPLASH = 'what a huge splash'
_KNEES = 'a soft pair of knees there'
_PRAISE = 'hardly a bubble'


@pytest.mark.parametrize(
  ('caption', 'said'),
  [
    (
      'here we go then with armstand back two and a half somersaults one twist '
      'in the pike position',
      {
        'armstand': {'yes'},
        'rotation_type': {'backward'},
        'somersaults': {'2.5'},
        'twists': {'1'},
        'position': {'pike'},
      },
    ),
    (
      'inward dive tucked',
      {'rotation_type': {'inward'}, 'somersaults': {'0'}, 'position': {'tuck'}},
    ),
    # Neither a dive, nor counts of anything.
    ('back to the leader this one has a half hour look forward', {}),
    ('half twist and two twists', {'twists': {'0.5', '2'}}),
    ('one and a half somersaults', {'somersaults': {'1.5'}}),
    ('', {}),
  ],
)
def test_what_a_caption_says_of_the_classes(caption, said):
  assert spoken_classes(caption.split()) == said


def test_contradictions_by_hand():
  words = ['forward', 'two', 'somersaults', 'pike', 'then', 'tuck']
  classes = {'rotation_type': 'forward', 'somersaults': '2', 'twists': '0'}
  assert contradicted(words, classes) == []
  assert contradicted(words, classes | {'somersaults': '2.5'}) == [
    'somersaults'
  ]
  # Two positions can not both be right.
  assert contradicted(words, classes | {'position': 'pike'}) == ['position']


def _dives(count):
  return [simulate_dive(CONFIGS['tiny'], 'train', i) for i in range(count)]


def _class_names(dive):
  ids = {name: int(getattr(dive.number, name)) for name in CLASS_NAMES}
  return {name: CLASS_NAMES[name][i] for name, i in ids.items()}


def test_true_commentaries_tell_the_dive_and_contradict_nothing():
  for dive in _dives(60):
    words, classes = dive.caption.split(), _class_names(dive)
    assert contradicted(words, classes) == []
    told = {'position', 'rotation_type', 'somersaults'}
    if dive.number.twists:
      told.add('twists')
    if dive.number.armstand:
      told.add('armstand')
    assert set(spoken_classes(words)) == told


def test_true_commentaries_do_not_contradict_their_faults():
  dives = _dives(60)
  severities = spoken_faults.severities(
    {n: np.array([getattr(d.faults, n) for d in dives]) for n in NAMES}
  )
  named, praised = (
    np.stack([find(dive.caption) for dive in dives])
    for find in (spoken_faults.spoken_faults, spoken_faults.praised_faults)
  )
  assert named.any(axis=0).sum() >= 6
  assert praised.any()
  wrong = spoken_faults.contradictions
  assert not wrong(named, praised, severities).any()
  # Of another dive they do.
  assert wrong(named[::-1], praised[::-1], severities).mean() > 0.3


def test_a_fault_that_is_not_there_is_a_contradiction_and_so_is_false_praise():
  faults = spoken_faults.FAULTS
  severity = np.zeros((4, len(faults)))
  severity[:, faults.index('splash')] = (0.9, 0.9, 0.2, 0.05)
  captions = [_SPLASH, _PRAISE, _PRAISE, _SPLASH]
  named = np.stack([spoken_faults.spoken_faults(c) for c in captions])
  praised = np.stack([spoken_faults.praised_faults(c) for c in captions])
  found = spoken_faults.contradictions(named, praised, severity)
  assert found.tolist() == [False, True, False, True]


def test_distinct_captions_by_hand():
  assert distinct_share([['a'], ['b'], ['a'], ['a', 'b']]) == 3 / 4


def test_self_bleu_is_that_of_sacrebleu():
  captions = [dive.caption.split() for dive in _dives(12)]
  captions += [captions[0][:20], captions[1] * 2]
  bleu = BLEU(smooth_method='none', tokenize='none', force=True)
  expected = [
    bleu.corpus_score(
      [' '.join(own)],
      [[' '.join(other)] for j, other in enumerate(captions) if j != i],
    ).score
    / 100
    for i, own in enumerate(captions)
  ]
  assert self_bleu(captions) == pytest.approx(np.mean(expected), abs=1e-6)
  assert self_bleu([captions[0]] * 3) == pytest.approx(1.0)
  assert np.isnan(self_bleu(captions[:1]))


def _predictions(captions, true, **faults):
  count = len(true)
  labels = {
    'final_score': np.zeros(count),
    'caption_words': [caption.split() for caption in true],
    'position': np.array([1] * count),
  }
  labels |= {f'faults/{name}': np.zeros(count) for name in NAMES}
  labels |= {f'faults/{name}': np.array(own) for name, own in faults.items()}
  outputs = {
    'captions': [caption.split() for caption in captions],
    'classes': {'position': np.array([1] * (count - 1) + [2])},
  }
  return Predictions(labels, outputs, dive_schema())


def test_the_truth_of_captions_by_hand():
  predictions = _predictions(
    [f'pike {_SPLASH}', f'pike {_SPLASH}', f'{_PRAISE}', f'pike {_KNEES}'],
    [f'pike {_SPLASH}', f'pike {_KNEES}', f'pike {_SPLASH}', f'pike {_KNEES}'],
    splash=[MAX_SPLASH, 0.0, MAX_SPLASH, 0.0],
    knee_bend=[0.0, 90.0, 0.0, 90.0],
  )
  found = caption_truth(predictions)
  model, true = (found['caption_truth'][c] for c in ('model', 'true captions'))
  assert model['distinct'] == 3 / 4
  # The network takes the last dive for a tuck.
  assert model['against_predicted_classes'] == 1 / 4
  assert model['against_classes'] == 0
  # A splash that is not there, and praise for one that is.
  assert model['against_faults'] == 2 / 4
  # Of the pairs: 1, 0, 0, 1.
  assert model['remark_f1'] == 2 / 4
  assert model['remark_precision'] == pytest.approx(2 / 3)
  assert model['remark_recall'] == 2 / 4
  assert true['against_faults'] == 0
  assert true['remark_f1'] == 1
  assert true['remark_recall'] == 1
  splash = found['remarks']['splash']
  assert splash['precision'] == 1 / 2
  assert splash['recall'] == 1 / 2
  assert splash['f1'] == 1 / 2
  assert 0 < splash['f1_by_chance'] < 1
  assert found['remarks']['knee_bend']['precision'] == 1
  assert np.isnan(found['remarks']['far']['precision'])
  other = found['caption_truth']['other dives']
  assert other['remark_f1'] < 0.5
  lines = CaptionsTask(4, 6).table({'bleu_1': 0.5} | found)
  assert any('contradict the true faults' in line for line in lines)
  titles = [title for title, _ in caption_truth_tables(found)]
  assert len(titles) == 2


def test_what_is_not_known_is_not_measured():
  labels = {'final_score': np.zeros(2), 'caption_words': [['a'], ['b']]}
  predictions = Predictions(labels, {'captions': [['a'], ['a']]}, dive_schema())
  found = caption_truth(predictions)
  assert set(found) == {'caption_truth'}
  assert set(found['caption_truth']['model']) == {'distinct', 'self_bleu'}
  assert set(found['caption_truth']['model']) < set(MEASURES)
