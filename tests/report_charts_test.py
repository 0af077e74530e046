"""Tests for aqa_jax.report.report_charts."""

import re
import warnings

import numpy as np
import pytest

from aqa_jax.report.report_charts import curve_chart


@pytest.mark.parametrize('length', [3, 20, 40])
def test_long_names_leave_the_curves_their_width(length):
  steps = np.arange(20.0)
  curves = {
    f'{number}'.ljust(length, 'x'): (steps, steps + number)
    for number in range(7)
  }
  with warnings.catch_warnings():
    # Matplotlib warns where nothing is left of the axes.
    warnings.simplefilter('error')
    chart = curve_chart('chart', curves, None)
  width = float(re.search(r'viewBox="0 0 ([\d.]+)', chart).group(1))
  paths = re.findall(r'd="M ([\d.]+)[^"]*L ([\d.]+) [\d.]+ ?\n?"', chart)
  widest = max(float(end) - float(begin) for begin, end in paths)
  assert widest > 0.6 * width
