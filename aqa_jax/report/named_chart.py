"""A chart and its heading, as templates take it."""

from typing import Any

from markupsafe import Markup


def named_chart(name: str, svg: str) -> dict[str, Any]:
  """Returns a chart for a template.

  Args:
    name: its heading.
    svg: drawn by Matplotlib, which has escaped its texts.
  """
  return {'name': name, 'svg': Markup(svg)}
