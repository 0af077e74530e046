"""The charts of the evaluation report, as SVG to stand inside a page.

Their colours are CSS variables of the page, so that they follow its light and
its dark theme; their letters are the page's.
"""

import contextlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

# A notebook sets it for the programs that it starts, to a name that Matplotlib
# may refuse in another environment; SVG needs no backend.
_BACKEND = os.environ.pop('MPLBACKEND', None)

import matplotlib  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

if _BACKEND is not None:
  # The notebook itself goes on with the one that it has chosen.
  os.environ['MPLBACKEND'] = _BACKEND
  with contextlib.suppress(ValueError):
    matplotlib.rcParams['backend'] = _BACKEND

if TYPE_CHECKING:
  # Older releases of Matplotlib do not have it.
  from matplotlib.typing import RcKeyType

# Matplotlib has no CSS variables: it draws in these colours, for which `_svg`
# puts in variables.
_INK, _MUTED, _LINE = '#00000a', '#00000b', '#00000c'
_SERIES = ('#000011', '#000012', '#000013', '#000014', '#000015', '#000016')
_VARIABLES = {_INK: 'ink', _MUTED: 'muted', _LINE: 'line'} | {
  colour: f'series-{number}' for number, colour in enumerate(_SERIES, 1)
}
_OVER, _UNDER = _SERIES[2], _SERIES[0]
_STYLE: 'dict[RcKeyType, Any]' = {
  'svg.fonttype': 'none',
  'font.size': 11,
  'text.color': _INK,
  # A '$' in a name is no formula.
  'text.parse_math': False,
  'axes.edgecolor': _LINE,
  'axes.labelcolor': _MUTED,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.facecolor': 'none',
  'axes.grid': True,
  'axes.axisbelow': True,
  'grid.color': _LINE,
  'grid.linewidth': 0.7,
  'xtick.color': _LINE,
  'ytick.color': _LINE,
  'xtick.labelcolor': _MUTED,
  'ytick.labelcolor': _MUTED,
  'legend.frameon': False,
  'legend.fontsize': 10,
}
# At 72 dots an inch: the width of a phone's column.
_SIZE_INCHES = (4.8, 4.6)
_CURVE_INCHES = (4.8, 2.9)
# More points than a column has pixels only make the file large.
_MAX_POINTS = 300
# With more events the axis names only the first and the last.
_MAX_NAMED_EVENTS = 12


def scatter_chart(
  true: np.ndarray,
  predicted: np.ndarray,
  quantity: str,
  marked: Mapping[str, Mapping[int, str]],
) -> str:
  """Returns predicted against true values, with the line of equality, as SVG.

  Args:
    true: float [dives].
    predicted: float [dives].
    quantity: name of the values, with the unit, for the axes.
    marked: name of a group -> {index of a dive: where its dot links to}.
  """
  with _styled(quantity):
    figure, axes = _figure(_SIZE_INCHES)
    both = np.concatenate([true, predicted])
    margin = 0.04 * (np.ptp(both) or 1.0)
    low, high = both.min() - margin, both.max() + margin
    ends = [low, high]
    axes.plot(ends, ends, color=_MUTED, linewidth=1, dashes=(4, 3))
    others = np.ones(len(true), bool)
    for number, (name, links) in enumerate(marked.items(), 1):
      indices = list(links)
      others[indices] = False
      dots = axes.scatter(
        true[indices],
        predicted[indices],
        s=60,
        color=_SERIES[number],
        label=name,
        zorder=3,
      )
      dots.set_urls(list(links.values()))
    axes.scatter(
      true[others],
      predicted[others],
      s=30,
      color=_SERIES[0],
      alpha=0.5,
      linewidths=0,
      label='other' if marked else None,
    )
    axes.set(
      xlim=(low, high),
      ylim=(low, high),
      aspect='equal',
      xlabel=f'true {quantity}',
      ylabel=f'predicted {quantity}',
    )
    for axis in (axes.xaxis, axes.yaxis):
      axis.set_major_locator(MaxNLocator(6))
    if marked:
      _legend_above(axes)
    return _svg(figure)


def event_chart(
  events: Sequence[int], biases: np.ndarray, maes: np.ndarray
) -> str:
  """Returns each event's mean signed and mean absolute error as SVG.

  Args:
    events: their numbers, in the order to draw them in.
    biases: float [events], points.
    maes: float [events], points.
  """
  with _styled('events'):
    figure, axes = _figure(_SIZE_INCHES)
    places = np.arange(len(events))
    for sign, colour, side in ((1, _OVER, 'high'), (-1, _UNDER, 'low')):
      chosen = sign * biases > 0
      axes.bar(
        places[chosen],
        biases[chosen],
        width=0.7,
        color=colour,
        label=f'bias, too {side}',
      )
    axes.scatter(
      places, maes, s=30, color=_MUTED, zorder=3, label='MAE', linewidths=0
    )
    axes.axhline(0, color=_MUTED, linewidth=0.8)
    axes.grid(visible=False, axis='x')
    if len(events) <= _MAX_NAMED_EVENTS:
      axes.set_xticks(places, [str(event) for event in events])
      axes.set_xlabel('event')
    else:
      ends = [0, len(events) - 1]
      axes.set_xticks(ends, [f'event {events[end]}' for end in ends])
      left, right = axes.get_xticklabels()
      left.set_horizontalalignment('left')
      right.set_horizontalalignment('right')
      axes.set_xlabel(f'{len(events)} events, by bias')
    axes.set_xlim(-0.8, len(events) - 0.2)
    axes.set_ylabel('points')
    _legend_above(axes)
    return _svg(figure)


def curve_chart(
  name: str,
  curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
  step: int | None,
) -> str:
  """Returns measures by training step as SVG.

  Args:
    name: name of the chart; the page must have no other of this name.
    curves: name -> (steps, values), float [points] each; a value may be NaN.
    step: step of the evaluated checkpoint, which is marked; None for no mark.
  """
  with _styled(name):
    figure, axes = _figure(_CURVE_INCHES)
    for number, (label, (steps, values)) in enumerate(curves.items()):
      steps, values = _thinned(steps, values)
      axes.plot(
        steps,
        values,
        color=_SERIES[number % len(_SERIES)],
        linewidth=1.6,
        marker='o' if len(steps) <= 30 else None,
        markersize=4,
        label=label,
      )
    if step is not None:
      axes.axvline(step, color=_MUTED, linewidth=1, dashes=(2, 2))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel('step')
    if len(curves) > 1:
      _legend_above(axes)
    return _svg(figure)


def _styled(salt: str) -> contextlib.AbstractContextManager[None]:
  # Each chart has its own salt, or two charts of a page could share an id.
  return matplotlib.rc_context(_STYLE | {'svg.hashsalt': salt})


def _figure(size: tuple[float, float]) -> tuple[Figure, Axes]:
  figure = Figure(figsize=size, dpi=72, layout='constrained')
  figure.patch.set_visible(False)
  return figure, figure.add_subplot()


def _legend_above(axes: Axes) -> None:
  figure = axes.get_figure()
  handles, _ = axes.get_legend_handles_labels()
  # Of two rows, four columns of long names would be too wide.
  for columns in range(4 if len(handles) <= 4 else 3, 0, -1):
    legend = axes.legend(
      loc='lower left',
      bbox_to_anchor=(0, 1),
      ncols=columns,
      borderpad=0,
      borderaxespad=0.3,
      handlelength=1.2,
      handletextpad=0.4,
      columnspacing=1.0,
    )
    # A wider one would squeeze the axes.
    if figure and legend.get_window_extent().width < 0.9 * figure.bbox.width:
      break


def _thinned(
  steps: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns means of neighbours, if there are too many points to draw."""
  if len(steps) <= _MAX_POINTS:
    return steps, values
  groups = np.array_split(np.arange(len(steps)), _MAX_POINTS)
  return (
    np.array([steps[group].mean() for group in groups]),
    np.array([values[group].mean() for group in groups]),
  )


def _svg(figure: Figure) -> str:
  """Returns a figure as an <svg> element that fits into a page."""
  file = io.StringIO()
  nothing = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
  figure.savefig(file, format='svg', metadata=nothing)
  text = file.getvalue()
  # Without the XML's head, and without its style, which the page would take.
  text = text[text.index('<svg') :]
  text = re.sub(r'<style.*?</style>', '', text, flags=re.DOTALL)
  text = re.sub(
    r'<svg [^>]*?(viewBox="[^"]*")[^>]*>',
    r'<svg xmlns="http://www.w3.org/2000/svg" '
    r'xmlns:xlink="http://www.w3.org/1999/xlink" \1>',
    text,
    count=1,
    flags=re.DOTALL,
  )
  text = text.replace(' target="_blank"', '')
  text = re.sub(r'font-family: [^;"]*; ', '', text)
  # Names such as 'axes_1' are in every chart, and nothing refers to them.
  used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
  text = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else '', text)
  for colour, variable in _VARIABLES.items():
    text = text.replace(colour, f'var(--{variable})')
  return text.strip()
