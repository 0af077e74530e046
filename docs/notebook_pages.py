"""A hook of MkDocs: each notebook of docs/ becomes a page.

nbconvert makes Markdown of what the notebook holds, so that the page looks like
all others, and nothing is kept twice.
"""

import pathlib
import re

import nbconvert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
  """Puts a page and its pictures in the place of each notebook."""
  exporter = nbconvert.MarkdownExporter()
  for file in list(files):
    path = pathlib.PurePosixPath(file.src_uri)
    if path.suffix != '.ipynb':
      continue
    text, resources = exporter.from_filename(file.abs_src_path)
    # It gives the kind of the file for its description.
    text = re.sub(r'!\[(png|jpeg)\]', '![What the code above shows]', text)
    for name, picture in resources['outputs'].items():
      unique = f'{path.stem}_{name}'
      text = text.replace(f']({name})', f'](pictures/{unique})')
      uri = str(path.parent / 'pictures' / unique)
      files.append(File.generated(config, uri, content=picture))
    uri = str(path.with_suffix('.md'))
    files.append(File.generated(config, uri, content=text))
    files.remove(file)
  return files


def on_page_markdown(markdown: str, **_: object) -> str:
  """Leads links to a notebook, as they are in the project, to its page."""
  return re.sub(r'\]\(([\w/]+)\.ipynb\)', r'](\1.md)', markdown)
