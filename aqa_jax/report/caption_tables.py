"""The tables of the report on how true captions are."""

from aqa_jax.evaluation import caption_truth
from aqa_jax.report.report_tables import CaptionTable, Evaluation, number


def caption_truth_tables(
  evaluation: Evaluation,
) -> list[tuple[str, CaptionTable]]:
  """Returns titles and tables on how true the captions are.

  Args:
    evaluation: measures of a split.
  """
  tables: list[tuple[str, CaptionTable]] = []
  if found := evaluation.get('caption_truth'):
    rows = [
      (name, [number(found[c].get(key), 3) for c in caption_truth.COLUMNS])
      for key, name in caption_truth.MEASURES.items()
      if key in found['model']
    ]
    kinds = ('model', 'baseline', 'ceiling')
    names = ('this model', *caption_truth.COLUMNS[1:])
    columns = list(zip(kinds, names, strict=True))
    tables.append(
      ('Are the captions true?', {'columns': columns, 'rows': rows})
    )
  if found := evaluation.get('remarks'):
    rows = [
      (
        fault.replace('_', ' '),
        [number(f[k], 3) for k in caption_truth.REMARKS],
      )
      for fault, f in found.items()
    ]
    columns = [('model', name) for name in caption_truth.REMARKS.values()]
    title = 'Remarks on faults, against the true captions'
    tables.append((title, {'columns': columns, 'rows': rows}))
  return tables
