"""A page of HTML, read as a browser would read it."""

import html.parser
import re
import xml.etree.ElementTree

_VOID = {'img', 'input', 'link', 'meta', 'wbr'}
# What stands apart from the text before it.
_APART = {'td', 'th', 'dt', 'dd', 'em', 'small'}


class Page(html.parser.HTMLParser):
  """The elements of a page: (tag, attributes, text within)."""

  def __init__(self, text):
    super().__init__()
    self.elements = []
    self._open = []
    self.feed(text)
    self.close()
    assert not self._open

  def handle_starttag(self, tag, attrs):
    if tag in _APART:
      self.handle_data(' ')
    self.elements.append([tag, dict(attrs), ''])
    if tag not in _VOID:
      self._open.append(self.elements[-1])

  def handle_startendtag(self, tag, attrs):
    self.elements.append([tag, dict(attrs), ''])

  def handle_endtag(self, tag):
    assert self._open.pop()[0] == tag

  def handle_data(self, data):
    for element in self._open:
      element[2] += data

  def all(self, tag, **wanted):
    """Returns the elements with these attributes, '_' standing for '-'."""
    wanted = {k.rstrip('_').replace('_', '-'): v for k, v in wanted.items()}
    return [
      (attributes, ' '.join(text.split()))
      for name, attributes, text in self.elements
      if name == tag and wanted.items() <= attributes.items()
    ]

  def text(self, tag, **wanted):
    ((_, text),) = self.all(tag, **wanted)
    return text


def check_self_contained(page, text):
  """Checks that a page needs nothing else, and that its links have places."""
  assert not page.all('script')
  assert not page.all('link')
  for _, attributes, _ in page.elements:
    for name in ('src', 'href', 'xlink:href', 'srcset', 'action'):
      if name in attributes:
        assert re.match('#|data:image/jpeg;base64,', attributes[name])
    assert not any(name.startswith('on') for name in attributes)
  assert set(re.findall(r'https?://[^"]*', text)) <= {
    'http://www.w3.org/2000/svg',
    'http://www.w3.org/1999/xlink',
  }
  assert '@import' not in text
  assert not re.findall(r'url\((?!#)', text)
  # Every link has its one place.
  ids = [a['id'] for _, a, _ in page.elements if 'id' in a]
  assert len(ids) == len(set(ids))
  for attributes, _ in page.all('a'):
    target = attributes.get('href') or attributes['xlink:href']
    assert target.removeprefix('#') in ids
  for svg in re.findall('<svg.*?</svg>', text, re.DOTALL):
    xml.etree.ElementTree.fromstring(svg)
