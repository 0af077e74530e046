"""The page, and the files that it needs."""

import pathlib
from typing import Any

import jinja2

import aqa_jax.report
from aqa_jax.serving.limits import Limits

_FOLDER = pathlib.Path(__file__).parent / 'page'
_TYPES = {'.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml'}


def static_files() -> dict[str, tuple[str, str]]:
  """Returns the files of the page: name -> (content, media type)."""
  (report,) = aqa_jax.report.__path__
  paths = [
    *(path for path in _FOLDER.iterdir() if path.suffix in _TYPES),
    # The colours and letters of all pages.
    pathlib.Path(report, 'templates/report.css'),
  ]
  return {
    path.name: (path.read_text('utf-8'), _TYPES[path.suffix]) for path in paths
  }


def page(facts: dict[str, Any], limits: Limits) -> str:
  """Returns the page, HTML.

  Args:
    facts: see `model_facts`.
    limits: that are told.
  """
  environment = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  template = environment.from_string(
    (_FOLDER / 'index.html').read_text('utf-8')
  )
  return template.render(facts=facts, limits=limits)
