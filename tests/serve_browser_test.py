"""The page of `aqa_jax.serve` in a real browser."""

import re
import shutil

import pytest
from served import write_dive
from video_test import write_video

sync_api = pytest.importorskip('playwright.sync_api')
expect = sync_api.expect

_CHROMIUM = next(
  filter(
    None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))
  ),
  None,
)
pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason='needs Chromium')
_NO_VIDEO = '<img src=x onerror=alert(1)>.mp4'
_MS = 30_000


@pytest.fixture(name='clips', scope='module')
def fixture_clips(tmp_path_factory):
  folder = tmp_path_factory.mktemp('clips')
  write_dive(folder / 'one.mp4', 0)
  write_dive(folder / 'two.mp4', 3)
  write_video(
    folder / 'grey.avi', range(20, 220, 2), codec='mjpeg', pix_fmt='yuvj420p'
  )
  (folder / _NO_VIDEO).write_text('no video')
  (folder / 'large.mp4').write_bytes(bytes(1_100_000))
  (folder / 'empty.mp4').touch()
  return folder


@pytest.fixture(name='browser', scope='module')
def fixture_browser():
  with sync_api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(
      executable_path=_CHROMIUM, args=['--no-sandbox']
    )
    yield browser
    browser.close()


@pytest.fixture(name='open_page')
def fixture_open_page(browser, server):
  """Opens the page; at the end nothing has gone wrong, or anywhere else."""
  pages, wrong = [], []

  def open_page():
    context = browser.new_context()
    context.set_default_timeout(_MS)
    page = context.new_page()
    page.on('pageerror', lambda error: wrong.append(str(error)))
    page.on('dialog', lambda dialog: wrong.append(dialog.message))

    def check(request):
      if not request.url.startswith((server.address, 'data:', 'blob:')):
        wrong.append(request.url)

    context.on('request', check)
    page.goto(server.address)
    pages.append(page)
    return page

  yield open_page
  for page in pages:
    # What is removed in the page is deleted by the server.
    for button in reversed(page.get_by_role('button', name='Remove').all()):
      button.click()
    page.context.close()
  assert not wrong


def _send(page, *paths):
  page.set_input_files('#files', paths)


def _answers(page, number):
  """Waits for so many dives, and until their videos can be played."""
  answers = page.locator('.dive-answer')
  expect(answers).to_have_count(number, timeout=_MS)
  for index in range(number):
    video = answers.nth(index).locator('video')
    expect(video).to_have_js_property('readyState', 4, timeout=_MS)
    expect(video).to_have_js_property('seeking', False, timeout=_MS)
  return answers


def _check_widths(page):
  """Checks that nothing is wider than a phone, or a screen."""
  for width in (390, 1280):
    page.set_viewport_size({'width': width, 'height': 900})
    assert page.evaluate('document.documentElement.scrollWidth') <= width


def _seconds(bar):
  return float(re.search(r', ([\d.]+) s: ', bar.get_attribute('title'))[1])


def _check_shown(answer, place):
  """Checks that the player shows a frame of the dive, and that it is marked."""
  bar = answer.locator('.bars button').nth(place)
  expect(bar).to_have_attribute('aria-current', 'time')
  expect(answer.locator('.bars [aria-current]')).to_have_count(1)
  time = answer.locator('video').evaluate('video => video.currentTime')
  # Frames are 0.04 s long.
  assert _seconds(bar) <= time < _seconds(bar) + 0.04


def test_a_video_is_sent_and_answered(open_page, clips):
  page = open_page()
  expect(page.get_by_role('note')).to_contain_text('simulated dives only')
  _send(page, clips / 'one.mp4')
  answer = _answers(page, 1)
  expect(page.locator('.video h3')).to_contain_text('one.mp4 307C')
  expect(page.get_by_role('status')).to_contain_text('one.mp4: 307C')
  expect(answer.locator('.headline')).to_have_text(
    'reverse 3.5 somersaults tuck'
  )
  chart = answer.get_by_role('img', name='90 % interval')
  expect(chart.locator('.training')).to_have_count(21)
  expect(answer.locator('.class-list')).to_contain_text('tuck')
  expect(answer.locator('.numbers-list')).to_contain_text('of 30')
  expect(answer.locator('.commentary')).to_contain_text('somersaults')
  expect(answer.locator('.pictures img')).to_have_count(8)
  bars = answer.locator('.bars button')
  expect(bars).to_have_count(32)
  # The player stands at the first frame that was judged.
  _check_shown(answer, 0)
  for place in (20, 5):
    bars.nth(place).click()
    _check_shown(answer, place)
  answer.get_by_role('button', name='Forward by a frame').click()
  _check_shown(answer, 6)
  answer.locator('.pictures button').last.click()
  expect(bars.nth(30)).to_have_attribute('aria-current', 'time')
  # It plays the dive, and stops at its end.
  answer.get_by_label('Speed').select_option('1')
  answer.get_by_role('button', name='Play the dive').click()
  expect(bars.nth(31)).to_have_attribute('aria-current', 'time', timeout=_MS)
  expect(answer.locator('video')).to_have_js_property('paused', True)


def test_files_to_keep(open_page, clips):
  page = open_page()
  _send(page, clips / 'one.mp4')
  _answers(page, 1)
  for name, file, content in (
    ('Save JSON', 'one_judged.json', b'"dive_number": "307C"'),
    ('Save report', 'one_judged.html', b'<svg'),
  ):
    with page.expect_download() as download:
      page.get_by_role('link', name=name).click()
    assert download.value.suggested_filename == file
    with open(download.value.path(), 'rb') as saved:
      assert content in saved.read()
  with page.context.expect_page() as opened:
    page.get_by_role('link', name='Open report').click()
  expect(opened.value.get_by_role('alert')).to_contain_text('simulated')
  # What is there is there after the page is loaded again.
  page.reload()
  _answers(page, 1)
  page.get_by_role('button', name='Remove').click()
  page.reload()
  expect(page.locator('.video')).to_have_count(0)


def test_two_dives_beside_each_other(open_page, clips):
  page = open_page()
  _send(page, clips / 'one.mp4', clips / 'two.mp4')
  answers = _answers(page, 2)
  _check_widths(page)
  comparison = page.get_by_role('region', name='Two dives')
  for index in range(2):
    expect(comparison).to_be_hidden()
    answers.nth(index).get_by_role('button', name='Compare').click()
  expect(comparison).to_be_visible()
  videos = comparison.locator('video')
  _check_widths(page)
  for width in (390, 1280):
    page.set_viewport_size({'width': width, 'height': 900})
    left, right = [video.bounding_box() for video in videos.all()]
    assert left['y'] == right['y']
    assert left['x'] + left['width'] <= right['x']
  table = comparison.get_by_role('table')
  expect(table).to_contain_text('5152B')
  expect(table).to_contain_text('307C')
  for video in videos.all():
    expect(video).to_have_js_property('readyState', 4, timeout=_MS)
  # One slider moves both.
  comparison.get_by_role('slider').press('End')
  for bars in comparison.locator('.bars').all():
    expect(bars.locator('button').last).to_have_attribute(
      'aria-current', 'time'
    )
  comparison.get_by_role('button', name='Play both').click()
  for video in videos.all():
    expect(video).to_have_js_property('paused', False)
  answers.nth(0).get_by_role('button', name='Compared').click()
  expect(comparison).to_be_hidden()


def test_what_can_not_be_judged(open_page, clips):
  page = open_page()
  sent = []
  page.on('request', lambda request: sent.append(request.url))
  _send(page, clips / 'large.mp4', clips / 'empty.mp4', clips / _NO_VIDEO)
  alerts = page.get_by_role('alert')
  expect(alerts).to_have_count(3, timeout=_MS)
  # The latest is above.
  expect(alerts.nth(0)).to_contain_text(
    f'{_NO_VIDEO}: cannot be read as a video'
  )
  expect(alerts.nth(1)).to_have_text('The file is empty.')
  expect(alerts.nth(2)).to_contain_text('large.mp4: is larger than 1 MB')
  assert sum('api/jobs?' in url for url in sent) == 1
  expect(page.locator('.video h3').first).to_have_text(_NO_VIDEO)
  assert page.locator('.video img').count() == 0
  _check_widths(page)
  # And what is dropped is sent, too.
  dropped = page.evaluate_handle(
    """() => {
      const data = new DataTransfer();
      data.items.add(new File(['no video'], 'dropped.mp4'));
      return data;
    }"""
  )
  page.dispatch_event('body', 'drop', {'dataTransfer': dropped})
  expect(alerts.first).to_contain_text('dropped.mp4: cannot be read')


def test_what_the_browser_does_not_play_is_copied(open_page, clips):
  page = open_page()
  page.get_by_label('Judge it even if').check()
  page.get_by_label('Last frame to judge').fill('3s')
  _send(page, clips / 'grey.avi')
  answer = _answers(page, 1)
  expect(answer.locator('.bars button').last).to_have_attribute(
    'title', re.compile(r'frame 76, 3\.00 s')
  )


def test_an_end_that_is_wrong(open_page, clips):
  page = open_page()
  page.get_by_label('Last frame to judge').fill('two')
  _send(page, clips / 'one.mp4')
  assert page.locator('#end:invalid').count() == 1
  expect(page.locator('.video')).to_have_count(0)


def _tab_to(page, locator):
  """Presses Tab until an element has the focus, which can be seen."""
  for _ in range(60):
    page.keyboard.press('Tab')
    if locator.evaluate('element => element === document.activeElement'):
      break
  expect(locator).to_be_focused()
  return locator.evaluate('element => getComputedStyle(element).outlineStyle')


def test_the_keyboard_alone(open_page, clips):
  page = open_page()
  with page.expect_file_chooser() as chooser:
    _tab_to(page, page.locator('#files'))
    # Its box is what shows the focus.
    assert (
      page.locator('.drop').evaluate(
        'element => getComputedStyle(element).outlineStyle'
      )
      == 'solid'
    )
    page.keyboard.press('Enter')
  chooser.value.set_files(clips / 'one.mp4')
  answer = _answers(page, 1)
  bars = answer.locator('.bars button')
  assert _tab_to(page, bars.first) == 'solid'
  for _ in range(3):
    page.keyboard.press('ArrowRight')
  expect(bars.nth(3)).to_be_focused()
  _check_shown(answer, 0)
  page.keyboard.press('Enter')
  _check_shown(answer, 3)
  page.keyboard.press('End')
  page.keyboard.press('Space')
  _check_shown(answer, 31)
  # The bars are one stop among the others.
  compare = answer.get_by_role('button', name='Compare')
  assert _tab_to(page, compare) == 'solid'
  page.keyboard.press('Space')
  expect(compare).to_have_attribute('aria-pressed', 'true')


def test_a_video_of_several_dives(open_page, clips):
  """One that was not answered so far: the answer is doubled on its way."""
  page = open_page()

  def double(route):
    response = route.fetch()
    job = response.json()
    if job.get('dives'):
      (dive,) = job['dives']
      job['dives'] = [
        dive | {
          'perfect_score': dive['score'] + 20.0,
          'points_unexplained': 7.75,
          'points_lost': [
            {'fault': 'legs_apart', 'phase': 'flight', 'points': 12.25},
            {'fault': 'splash', 'phase': '', 'points': 0.01},
          ],
        },
        dive | {'is_dive': False, 'score': None, 'score_interval': None,
                'class_probabilities': {}, 'classes': {}, 'caption': None,
                'importance': None, 'difficulties': {}, 'executions': {},
                'frame_numbers': [], 'frame_seconds': [],
                'dive_number': None, 'warnings': ['This is no dive.']},
      ]  # fmt: skip
    route.fulfill(response=response, json=job)

  page.route(re.compile(r'/api/jobs/[\w-]+$'), double)
  _send(page, clips / 'two.mp4')
  expect(page.locator('.video h3')).to_have_text('two.mp4 2 dives')
  entries = page.locator('details')
  expect(entries).to_have_count(2)
  expect(entries.nth(0)).to_contain_text('1. 5152B · ')
  _answers(page, 1)
  expect(entries.nth(0)).to_contain_text(
    re.compile(r'20\.0 of \d+\.\d: legs apart 12\.3 \(flight\), not expl')
  )
  entries.nth(1).locator('summary').click()
  expect(entries.nth(1)).to_contain_text('This is no dive.')
  expect(entries.nth(1).locator('.bars')).to_be_hidden()
  expect(entries.nth(1).locator('.controls')).to_be_hidden()
  expect(entries.nth(1).get_by_role('button', name='Compare')).to_have_count(0)
  _check_widths(page)
  page.unroute_all()
