"""CoRe: the tree, its groups and its loss, the exemplars and their votes.

Compared with values by hand, and with PyTorch: grouped convolutions, as the
authors' code has them, and its losses.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aqa_jax.configs import c3davg
from aqa_jax.data.schema import Schema
from aqa_jax.layers.exemplar_head import ExemplarHead
from aqa_jax.layers.regression_tree import RegressionTree
from aqa_jax.task import finish
from aqa_jax.tasks import score_groups
from aqa_jax.tasks.relative_score import RelativeScoreTask, tree_loss
from tfds_mtl_aqa.input_error import InputError

_DIVES = Schema(features=('final_score', 'sample', 'difficulty'))
_BOUNDS = (0.0, 1.0, 3.0, 4.0, 30.0)


def _task(**heads):
  config = c3davg.get_config().unlock()
  config.tasks = 'relative_score'
  config.heads.update({'groups': _BOUNDS} | heads)
  return RelativeScoreTask.create(config, _DIVES)


def _tree(leaves=8, units=6, features=5, pairs=7):
  rng = np.random.default_rng(0)
  exemplar, query = rng.normal(size=(2, pairs, features)).astype(np.float32)
  score = rng.uniform(size=pairs).astype(np.float32)
  tree = RegressionTree(leaves, units)
  variables = jax.jit(tree.init)(jax.random.key(0), exemplar, query, score)
  return tree, variables, (exemplar, query, score)


def test_the_tree_as_in_pytorch():
  torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  tree, variables, (exemplar, query, score) = _tree()
  params = jax.tree.map(lambda leaf: torch.tensor(np.asarray(leaf)), variables)
  params = params['params']

  def grouped(inputs, name):
    # One-dimensional convolutions over a single place, a group a node.
    weights = params[name]
    count, units, outputs = weights.shape
    kernel = weights.permute(0, 2, 1).reshape(count * outputs, units, 1)
    bias = params[f'{name}_bias'].reshape(-1)
    return torch.nn.functional.conv1d(inputs, kernel, bias, groups=count)

  rows = torch.tensor(np.concatenate([exemplar, query, score[:, None]], axis=1))
  nodes = torch.relu(rows @ params['inputs'] + params['inputs_bias'])[..., None]
  before = None
  for level in (1, 2, 3):
    choice = grouped(nodes, f'choice{level}').reshape(len(rows), -1, 2)
    said = torch.log_softmax(choice, dim=-1)
    if before is not None:
      said = said + before.reshape(len(rows), -1, 1)
    before = said
    nodes = torch.relu(grouped(nodes, f'nodes{level}'))
  log_leaves, places = jax.jit(tree.apply)(variables, exemplar, query, score)
  assert log_leaves.shape == places.shape == (7, 8)
  wanted = before.reshape(len(rows), -1)
  np.testing.assert_allclose(log_leaves, wanted, rtol=1e-5, atol=1e-6)
  wanted = grouped(nodes, 'places')[..., 0]
  np.testing.assert_allclose(places, wanted, rtol=1e-5, atol=1e-6)


def test_probabilities_of_the_leaves_sum_to_one():
  tree, variables, inputs = _tree(16)
  log_leaves, _ = jax.jit(tree.apply)(variables, *inputs)
  np.testing.assert_allclose(np.exp(log_leaves).sum(axis=1), 1, rtol=1e-5)


def test_many_exemplars_of_one_query():
  tree, variables, (exemplar, query, score) = _tree()
  together = jax.jit(tree.apply)(
    variables, exemplar[None], query[:, None], score
  )
  for i in range(3):
    alone = jax.jit(tree.apply)(variables, exemplar, query[i : i + 1], score)
    for ours, wanted in zip(together, alone, strict=True):
      np.testing.assert_allclose(ours[i], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
  'relative, group, place',
  [
    (0.0, 4, 0.0), (0.25, 4, 0.25), (1.0, 5, 0.0), (2.0, 5, 0.5),
    (3.5, 6, 0.5), (17.0, 7, 0.5), (-0.25, 3, 0.75), (-1.0, 2, 1.0),
    (-2.0, 2, 0.5), (-17.0, 0, 0.5), (30.0, 7, 1.0), (-30.0, 0, 0.0),
  ],
)  # fmt: skip
def test_groups_by_hand(relative, group, place):
  found = score_groups.place_in_group(jnp.float32(relative), _BOUNDS)
  assert int(found[0]) == group
  assert float(found[1]) == pytest.approx(place, abs=1e-6)
  # And back again.
  log_leaves = jnp.log(jax.nn.one_hot(group, 8) + 1e-9)
  places = jnp.zeros(8).at[group].set(found[1])
  for back in (score_groups.relative_score, score_groups.mean_relative_score):
    assert float(back(log_leaves, places, _BOUNDS)) == pytest.approx(
      relative, abs=1e-4
    )


def test_bounds_by_hand():
  # Of difficulty 3: 0, 4, 6, so 4, 6, 2; of difficulty 2: 1; of 1: none.
  bounds = score_groups.group_bounds(
    [10, 14, 16, 20, 21, 5], [3, 3, 3, 2, 2, 1], leaves=4, highest=30
  )
  # 1, 2, 4, 6, of which the one at half of 3, rounded down.
  assert bounds == (0.0, 2.0, 30.0)
  with pytest.raises(ValueError, match='no two dives'):
    score_groups.group_bounds([1, 2], [1.0, 2.0])


def test_the_loss_as_in_pytorch():
  torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
  rng = np.random.default_rng(1)
  pairs, leaves = 9, 8
  logits, places = rng.normal(size=(2, pairs, leaves)).astype(np.float32)
  log_leaves = np.asarray(jax.nn.log_softmax(logits))
  relative = np.float32([0, 0.5, 0.25, 2, 3.5, -0.5, -8, 12, -2])
  ends = np.array([*(-b for b in _BOUNDS[:0:-1]), *_BOUNDS])
  group = [int(np.searchsorted(ends, r, side='right') - 1) for r in relative]
  theirs = torch.nn.NLLLoss()(torch.tensor(log_leaves), torch.tensor(group))
  for leaf in range(leaves):
    mask = [i for i in range(pairs) if group[i] == leaf]
    if not mask:
      continue
    wanted = (relative[mask] - ends[leaf]) / (ends[leaf + 1] - ends[leaf])
    theirs += torch.nn.MSELoss()(
      torch.tensor(places[mask, leaf]),
      torch.tensor(wanted.astype(np.float32)),
    )
  ours = tree_loss(log_leaves, places, relative, np.ones(pairs, bool), _BOUNDS)
  assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
  # What is no pair counts nothing.
  more = [np.concatenate([each, each[:2] + 3]) for each in
          (log_leaves, places, relative)]  # fmt: skip
  is_pair = np.arange(pairs + 2) < pairs
  assert float(tree_loss(*more, is_pair, _BOUNDS)) == pytest.approx(
    float(ours), rel=1e-6
  )


def _head(memory=4, batch=3):
  head = ExemplarHead(memory=memory, leaves=4, units=3)
  features = np.random.default_rng(2).normal(size=(batch, 5))
  features = features.astype(np.float32)
  return head, features, jax.jit(head.init)(jax.random.key(0), features)


def _train(head, variables, features, executions, difficulties, seed=0):
  labels = {
    'execution': np.float32(executions),
    'difficulty': np.float32(difficulties),
  }
  # As one program: it compiles faster than its parts.
  apply = jax.jit(
    functools.partial(head.apply, train=True, mutable=['batch_stats'])
  )
  output, updated = apply(
    variables, features, labels, rngs={'dropout': jax.random.key(seed)}
  )
  return output, {**variables, **updated}


def test_dives_of_one_difficulty_are_compared():
  head, features, variables = _head()
  output, variables = _train(
    head, variables, features, [10, 14, 20], [3.2, 3.2, 3.2]
  )
  first = set(output['relative'][0].tolist())
  assert first <= {-10.0, -6.0, -4.0, 4.0, 6.0, 10.0}
  np.testing.assert_array_equal(output['relative'][0], -output['relative'][1])
  assert output['is_pair'].all()
  # The next batch is compared with the memory.
  output, variables = _train(
    head, variables, features, [11, 0, 0], [3.2, 1.5, 1.7], seed=1
  )
  assert float(output['relative'][0][0]) in (1.0, -3.0, -9.0)
  # Those two have no other of their own: the nearest.
  assert output['relative'][0][1:].tolist() == [0.0, 0.0]
  kept = variables['batch_stats']
  # The newest first; the oldest two are forgotten.
  assert kept['exemplar_execution'].tolist() == [11, 0, 0, 10]
  np.testing.assert_allclose(
    kept['exemplar_difficulty'], [3.2, 1.5, 1.7, 3.2], rtol=1e-6
  )
  np.testing.assert_allclose(kept['exemplar_features'][:3], features)


def test_a_dive_alone_has_no_exemplar():
  head, features, variables = _head(batch=1)
  output, variables = _train(head, variables, features, [10], [3.2])
  assert not output['is_pair'].any()
  task = _task()
  loss = tree_loss(
    output['log_leaves'][0], output['places'][0], output['relative'][0],
    output['is_pair'], (0.0, 1.0, 30.0),
  )  # fmt: skip
  assert float(loss) == 0
  output, _ = _train(head, variables, features, [12], [2.0])
  assert output['relative'].tolist() == [[2.0], [-2.0]]
  assert task.head_labels == ('execution', 'difficulty')
  with pytest.raises(ValueError, match='with labels'):
    head.apply(variables, features, None, train=True)


def test_what_it_says_is_of_the_exemplar_first():
  head, features, variables = _head()
  _, variables = _train(head, variables, features, [10, 14, 20], [3.2, 2, 3.2])
  output = head.apply(variables, features)
  kept = variables['batch_stats']
  tree = RegressionTree(4, 3)
  wanted = tree.apply(
    {'params': variables['params']['tree']},
    kept['exemplar_features'][2],
    features[1],
    kept['exemplar_execution'][2] / 30,
  )
  np.testing.assert_allclose(output['log_leaves'][1, 2], wanted[0], rtol=1e-5)
  np.testing.assert_allclose(
    output['places'][1, 2], wanted[1], rtol=1e-5, atol=1e-6
  )
  assert output['execution'][1].tolist() == [10, 14, 20, 0]


def test_votes_by_hand():
  task = _task(votes=2, exemplars=5)
  outputs = {
    'votes': np.float32([[10, 20, 30, 40, 50]] * 3),
    'exemplar_difficulty': np.float32([[3.2, 2.0, 3.2, 3.2, 0]] * 3),
  }
  found = finish([task], outputs, {'difficulty': [3.2, 2.0, 0.5]}, _DIVES)
  # The first two of 3.2; that of 2.0 and the nearest; an empty place never.
  np.testing.assert_allclose(found['execution'], [20, 15, 15])
  np.testing.assert_allclose(found['score'], [64, 30, 7.5], rtol=1e-6)


def test_a_vote_is_the_exemplar_and_the_difference():
  task = _task()
  log_leaves = np.log(np.full((1, 1, 8), 0.1, np.float32))
  log_leaves[..., 2] = np.log(0.3)  # -3 to -1.
  output = {
    'log_leaves': log_leaves,
    'places': np.full((1, 1, 8), 0.25, np.float32),
    'execution': np.float32([[20]]),
    'difficulty': np.float32([[3.2]]),
  }
  found = task.predict(output)
  assert float(found['votes'][0, 0]) == pytest.approx(20 - 2.5)
  gradient = jax.grad(
    lambda places: task.explained(output | {'places': places}).sum()
  )(jnp.full((1, 1, 8), 0.25))
  # Probability times width.
  assert float(gradient[0, 0, 2]) == pytest.approx(0.3 * 2, rel=1e-5)


@pytest.mark.parametrize(
  'heads, message',
  [
    ({'groups': (0.0, 1.0, 2.0, 30.0)}, 'a power of 2'),
    ({'groups': (1.0, 30.0)}, 'rise from 0'),
    ({'groups': (0.0, 2.0, 2.0, 3.0, 30.0)}, 'rise from 0'),
    ({'votes': 300}, 'at most'),
    ({'votes': 0}, 'give 1 or more'),
  ],
)
def test_what_can_not_be(heads, message):
  with pytest.raises(InputError, match=message):
    _task(**heads)


def test_executions_that_differ_by_more_than_the_groups_hold():
  labels = {
    'final_score': np.array([0.0, 60.0]), 'difficulty': np.array([2.0, 2.0]),
  }  # fmt: skip
  _task().check_labels(labels)
  with pytest.raises(InputError, match='ends at 20'):
    _task(groups=(0.0, 20.0)).check_labels(labels)
