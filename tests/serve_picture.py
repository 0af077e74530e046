"""Takes the picture of docs/serve.md: python tests/serve_picture.py.

It needs Chromium; the dive is a simulated one, the model the one inside.
"""

import io
import pathlib
import shutil
import sys
import tempfile

from PIL import Image
from playwright import sync_api
from served import ROOT, Served, write_dive

_FILE = ROOT / 'docs/serve.png'
# The frame that the player shows.
_PLACE = 13


def main() -> int:
  """Writes the picture."""
  folder = pathlib.Path(tempfile.mkdtemp())
  write_dive(folder / 'dive.mp4', size=(640, 480))
  server = Served(folder).wait_until_ready()
  try:
    with sync_api.sync_playwright() as playwright:
      browser = playwright.chromium.launch(
        executable_path=shutil.which('chromium'), args=['--no-sandbox']
      )
      page = browser.new_page(viewport={'width': 1280, 'height': 700})
      page.goto(server.address)
      page.set_input_files('#files', folder / 'dive.mp4')
      page.locator('.bars button').nth(_PLACE).click()
      sync_api.expect(page.locator('.pictures img')).to_have_count(8)
      video = page.locator('video')
      sync_api.expect(video).to_have_js_property('readyState', 4)
      sync_api.expect(video).to_have_js_property('seeking', False)
      # Without the mouse, and the browser's bar in the picture.
      video.evaluate('video => { video.controls = false; }')
      page.mouse.move(0, 0)
      data = page.screenshot(full_page=True)
      browser.close()
  finally:
    server.end()
    shutil.rmtree(folder)
  # 256 colours are enough, and a third of the bytes.
  image = Image.open(io.BytesIO(data)).convert('RGB').quantize(256)
  image.save(_FILE, optimize=True)
  print(f'{_FILE.relative_to(ROOT)}: {_FILE.stat().st_size // 1000} kB')
  return 0


if __name__ == '__main__':
  sys.exit(main())
