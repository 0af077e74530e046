"""Pages from the templates of this package."""

from typing import Any

import jinja2


def render(template: str, **content: Any) -> str:
  """Returns a template filled in; texts are escaped.

  Args:
    template: a file in `templates`.
    **content: what it shows.
  """
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('aqa_jax.report'),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  return environment.get_template(template).render(**content)
