/** Scores and their intervals on the scale of the training's scores. */

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 440;
const HEIGHT = 128;
const BASE = 104;
const TOP = 30;
const EDGE = 12;
const HIGHEST = 105;

function draw(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/**
 * Returns which share of the training's dives has a lower score, or null.
 * Within a bin the scores are taken as spread evenly.
 */
export function shareBelow(score, scores) {
  if (!scores) return null;
  const place = score / scores.bin_width;
  let below = 0;
  let all = 0;
  scores.counts.forEach((count, index) => {
    below += count * Math.min(Math.max(place - index, 0), 1);
    all += count;
  });
  return all ? below / all : null;
}

/**
 * Returns a chart.
 * @param {Array<Object>} marks score, interval (or null) and label of each.
 * @param {?Object} scores bin_width and counts of the training, if known.
 * @return {SVGElement} The chart.
 */
export function scoreChart(marks, scores) {
  const highest = Math.max(
    HIGHEST,
    ...marks.map((mark) => mark.interval?.[1] ?? mark.score),
  );
  const x = (points) => EDGE + ((WIDTH - 2 * EDGE) * points) / highest;
  const chart = document.createElementNS(SVG, 'svg');
  chart.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  chart.setAttribute('role', 'img');
  chart.setAttribute('aria-label', marks.map(told).join('; '));
  if (scores) {
    const largest = Math.max(...scores.counts);
    scores.counts.forEach((count, index) => {
      const left = index * scores.bin_width;
      if (left >= highest) return;
      const height = ((BASE - TOP - 8) * count) / largest;
      const right = Math.min(left + scores.bin_width, highest);
      draw(chart, 'rect', {
        class: 'training',
        x: x(left) + 0.5,
        width: Math.max(x(right) - x(left) - 1, 0),
        y: BASE - height,
        height,
      });
    });
  }
  draw(chart, 'line', {
    class: 'axis', x1: x(0), x2: x(highest), y1: BASE, y2: BASE,
  });
  for (let points = 0; points <= highest; points += 20) {
    draw(chart, 'line', {
      class: 'axis', x1: x(points), x2: x(points), y1: BASE, y2: BASE + 4,
    });
    draw(
      chart,
      'text',
      {class: 'tick', x: x(points), y: BASE + 18, 'text-anchor': 'middle'},
      points,
    );
  }
  marks.forEach((mark, index) => {
    const kind = `mark mark-${index}`;
    if (mark.interval) {
      const [low, high] = mark.interval;
      draw(chart, 'rect', {
        class: `${kind} interval`,
        x: x(low),
        width: x(high) - x(low),
        y: TOP + 6 + 18 * index,
        height: 10,
        rx: 5,
      });
    }
    draw(chart, 'line', {
      class: kind, x1: x(mark.score), x2: x(mark.score), y1: TOP, y2: BASE,
    });
    const anchor = mark.score < 0.1 * highest
      ? 'start'
      : mark.score > 0.9 * highest ? 'end' : 'middle';
    draw(
      chart,
      'text',
      {
        class: kind,
        x: x(mark.score),
        y: TOP - 6 - (index && near(marks) ? 14 : 0),
        'text-anchor': anchor,
      },
      mark.label ? `${mark.label} ${mark.score.toFixed(1)}`
        : mark.score.toFixed(1),
    );
  });
  return chart;
}

function near(marks) {
  return Math.abs(marks[0].score - marks[1].score) < 18;
}

function told(mark) {
  let text = `${mark.label ?? ''} score ${mark.score.toFixed(1)} points`;
  if (mark.interval) {
    const [low, high] = mark.interval.map((value) => value.toFixed(1));
    text += `, 90 % interval ${low} to ${high}`;
  }
  return text.trim();
}
