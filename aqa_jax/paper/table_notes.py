"""What has to be said of the results of a table: its notes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aqa_jax.paper.cells import ByRow

Evaluation = Mapping[str, Any]


def notes(
  by_row: ByRow, parts: Mapping[str, str], examples: str = 'dives'
) -> list[str]:
  """Returns the notes of a table, sentences.

  Args:
    by_row: finished runs of each row.
    parts: split -> title of its part, in a table that has a part for each.
    examples: what is tested: 'dives' or 'vaults'.
  """
  # Part -> the evaluations of each row in it.
  by_part: dict[str, list[Sequence[Evaluation]]] = {}
  for runs in by_row.values():
    for split in runs[0].row.splits:
      part = parts[split] if len(runs[0].row.splits) > 1 else runs[0].row.part
      found = [run.evaluation_of(split) for run in runs]
      by_part.setdefault(part, []).append(found)
  texts = [_runs(by_row, examples)]
  for part, rows in by_part.items():
    texts += _of_part(f'{part}: ' * bool(part), rows, examples)
  for runs in by_row.values():
    texts.append(runs[0].row.note)
  texts += _of_runs(by_row, examples)
  return [text for text in dict.fromkeys(texts) if text]


def _runs(by_row: ByRow, examples: str) -> str:
  seeds = max(len(runs) for runs in by_row.values())
  text = (
    f'{seeds} seed(s). Deviations are between seeds; intervals (95 %) are over '
    f'{examples} and seeds together, and so is p.'
  )
  once = dict.fromkeys(
    runs[0].row.label for runs in by_row.values() if len(runs) < seeds
  )
  if once:
    text += f' One run alone: {"; ".join(once)}.'
  return text


def _of_part(
  head: str, evaluations: Sequence[Sequence[Evaluation]], examples: str
) -> Iterator[str]:
  """Yields what is known of the dives of a part."""
  counts = {found[0]['num_dives'] for found in evaluations}
  yield f'{head}{" or ".join(map(str, sorted(counts)))} test {examples}.'
  # A network without a score has no baselines of one.
  first = next((f[0] for f in evaluations if f[0].get('baselines')), None)
  if first is None:
    return
  baselines = {
    name: figures['spearman']
    for name, figures in first['baselines'].items()
    if figures['spearman'] is not None
  }
  texts = [f'{name} {value:.3f}' for name, value in baselines.items()]
  yield f'{head}Without any video (Spearman): {", ".join(texts)}.'
  if 'one judge' in first.get('ceilings', {}):
    one = first['ceilings']['one judge']['spearman']
    yield f'{head}One judge alone gives a Spearman of {one:.3f}.'


def _of_runs(by_row: ByRow, examples: str) -> Iterator[str]:
  """Yields what makes rows too favourable, or hard to compare."""
  evaluations = {
    name: [run.evaluation_of(s) for run in runs for s in runs[0].row.splits]
    for name, runs in by_row.items()
  }
  together = [e for found in evaluations.values() for e in found]
  if any(e.get('selected_on') == 'test' for e in together):
    yield 'Checkpoints were chosen on the test split: too favourable.'
  dtypes = {r.compute_dtype for runs in by_row.values() for r in runs} - {''}
  if len(dtypes) > 1:
    yield (
      f'The trainings computed in {" and ".join(sorted(dtypes))}: rows may '
      'differ by that.'
    )
  without_interval = []
  for name, found in evaluations.items():
    label = by_row[name][0].row.label
    if count := max(e.get('trained_on', 0) for e in found):
      yield f'{label}: {count} of the test {examples} were trained on.'
    if any('regressor' in e and 'score_interval' not in e for e in found):
      without_interval.append(label)
  if without_interval:
    yield (
      'No interval of a single score, because the network behind the features '
      f'has had the {examples} that the regression is fitted on: '
      f'{"; ".join(dict.fromkeys(without_interval))}.'
    )
  for e in together:
    yield from e.get('caption_notes', ())
