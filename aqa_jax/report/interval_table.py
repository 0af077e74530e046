"""The report's table of how well the intervals of scores hold."""

from collections.abc import Mapping
from typing import Any

from aqa_jax.report.report_tables import number

Row = tuple[str, int | str, str, str, str]


def interval_table(evaluation: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the content of the section about the intervals.

  Args:
    evaluation: has score_interval, see `measure_intervals`, and maybe
      spread_tau with its interval.

  Returns:
    Texts wanted, tau and tau_interval ('' where it is not known); and groups:
    (name, rows), a row with name, dives, percent held, its 95 % interval, and
    the mean half-width in points.
  """
  measured = evaluation['score_interval']
  rows = [_row('all dives', measured)]
  if 'one_width' in measured:
    rows.append(_row('the same, all of one width', measured['one_width']))
  groups: list[tuple[str, list[Row]]] = [('', rows)]
  if thirds := measured.get('by_difficulty'):
    groups.append(
      (
        'difficulty',
        [
          _row(f'{third["from"]:g} to {third["to"]:g}', third)
          for third in thirds.values()
        ],
      )
    )
  groups += [
    (kind.replace('_', ' '), [_row(name, own) for name, own in classes.items()])
    for kind, classes in measured.get('by_class', {}).items()
  ]
  ends = evaluation.get('intervals', {}).get('spread_tau')
  return {
    'wanted': f'{100 * measured["coverage_wanted"]:g}',
    'groups': groups,
    'tau': (
      number(evaluation['spread_tau'], 3) if 'spread_tau' in evaluation else ''
    ),
    'tau_interval': '–'.join(number(end, 3) for end in ends) if ends else '',
  }


def _row(name: str, measured: Mapping[str, Any]) -> Row:
  return (
    name,
    measured['num_dives'],
    number(100 * measured['coverage'], 1),
    '–'.join(number(100 * e, 1) for e in measured['coverage_interval']),
    number(_finite(measured['half_width']), 1),
  )


def _finite(value: float | None) -> float | None:
  """Returns a half-width; None for one that is infinite, as in the file."""
  return None if value is None or value == float('inf') else value
