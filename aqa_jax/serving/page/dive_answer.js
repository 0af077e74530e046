/** What was found about a dive. */

import {askDive} from './api.js';
import {copyOf, Player} from './player.js';
import {scoreChart, shareBelow} from './score_chart.js';

const percent = (share) => `${Math.round(100 * share)} %`;
const SHOWN_CLASSES = 3;
const LEAST_SHARE = 0.005;
// Less would be written as 0.0.
const LEAST_POINTS = 0.05;

/** Returns a dive in a line, for the head of its entry and the comparison. */
export function diveTitle(dive) {
  const parts = [];
  if (dive.dive_number) parts.push(dive.dive_number);
  if (dive.score !== null) parts.push(`${dive.score.toFixed(1)} points`);
  if (!dive.is_dive) parts.push('no dive');
  const seconds = dive.frame_seconds;
  if (seconds.length) {
    parts.push(`${seconds[0].toFixed(2)} to ${seconds.at(-1).toFixed(2)} s`);
  }
  return parts.join(' · ');
}

/** Returns the measures of a dive: name -> text. */
export function measures(dive) {
  const found = new Map();
  if (dive.score !== null) {
    found.set('score', `${dive.score.toFixed(1)} points`);
  }
  if (dive.score_interval) {
    const [low, high] = dive.score_interval;
    found.set('90 % interval', `${low.toFixed(1)} to ${high.toFixed(1)}`);
  }
  if (dive.dive_number) found.set('dive number', dive.dive_number);
  for (const [height, difficulty] of Object.entries(dive.difficulties)) {
    const execution = dive.executions[height];
    let text = `difficulty ${difficulty.toFixed(1)}`;
    if (execution !== undefined) {
      text += `, execution ${execution.toFixed(1)} of 30`;
    } else if (dive.score !== null) {
      text += `, at most ${(30 * difficulty).toFixed(1)} points`;
    }
    found.set(`from ${height}`, text);
  }
  for (const [name, field] of [
    ['take-off', 'take_off_seconds'], ['entry', 'entry_seconds'],
  ]) {
    if (typeof dive[field] === 'number') {
      found.set(name, `${dive[field].toFixed(2)} s`);
    }
  }
  if (dive.points_lost.length) found.set('points lost', lost(dive));
  return found;
}

/** Returns where points were lost, such as 'splash 9.3 (entry), ...'. */
function lost(dive) {
  const parts = dive.points_lost
    .filter(({points}) => points >= LEAST_POINTS)
    .map(({fault, phase, points}) => {
      const text = `${fault} ${points.toFixed(1)}`;
      return (phase ? `${text} (${phase})` : text).replaceAll('_', ' ');
    });
  if (dive.points_unexplained !== null) {
    const all = dive.perfect_score - dive.score;
    parts.push(`not explained ${dive.points_unexplained.toFixed(1)}`);
    return (
      `${all.toFixed(1)} of ${dive.perfect_score.toFixed(1)}: ` +
      parts.join(', ')
    );
  }
  return parts.join(', ') || 'no fault';
}

/**
 * Shows a dive.
 * @param {Object} job Its video.
 * @param {number} number Of the dive in it, from 0.
 * @param {Object} context video, missing, scores; and compare, called with
 *     whether it is to be compared.
 * @return {HTMLElement} The element.
 */
export function diveAnswer(job, number, context) {
  const dive = job.dives[number];
  const element = copyOf('dive-template');
  const part = (name) => element.querySelector(name);
  for (const text of dive.warnings) {
    const warning = document.createElement('p');
    warning.className = 'warning';
    warning.textContent = text;
    part('.warnings').append(warning);
  }
  const player = new Player(dive, context.video, context.missing);
  part('.left').append(player.element);
  askDive(job.id, number).then(
    ({words, pictures}) => {
      player.addPictures(pictures);
      if (words) part('.headline').textContent = words;
    },
    () => {}, // The answer serves without its pictures.
  );
  showScore(part('.score-chart'), dive, context.scores);
  const list = part('.numbers-list');
  for (const [name, text] of measures(dive)) {
    const row = document.createElement('div');
    row.append(withText('dt', name), withText('dd', text));
    if (name.startsWith('from ') || name === 'points lost') {
      row.className = 'wide';
    }
    list.append(row);
  }
  for (const [name, probabilities] of Object.entries(
    dive.class_probabilities,
  )) {
    part('.class-list').append(classRow(name, probabilities));
  }
  if (dive.caption === null) part('.commentary').remove();
  else part('.commentary').textContent = dive.caption || '(nothing)';
  const compare = part('.compare');
  if (dive.score === null) compare.remove();
  compare.addEventListener('click', () => context.compare(compare));
  return element;
}

function withText(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function showScore(figure, dive, scores) {
  if (dive.score === null) {
    figure.remove();
    return;
  }
  const mark = {score: dive.score, interval: dive.score_interval};
  figure.append(scoreChart([mark], scores));
  const share = shareBelow(dive.score, scores);
  if (share !== null) {
    figure.append(
      withText(
        'figcaption',
        `Higher than ${percent(share)} of the scores of the training (grey).`,
      ),
    );
  }
}

/** Returns the likeliest classes with their probabilities. */
function classRow(name, probabilities) {
  const row = document.createElement('li');
  row.append(withText('span', name.replaceAll('_', ' ')));
  const sorted = Object.entries(probabilities)
    .sort(([, a], [, b]) => b - a)
    .filter(([, share], index) => !index || share >= LEAST_SHARE)
    .slice(0, SHOWN_CLASSES);
  for (const [value, share] of sorted) {
    const line = document.createElement('div');
    const bar = document.createElement('i');
    bar.style.setProperty('--share', share);
    line.append(withText('b', value), bar, withText('em', percent(share)));
    row.append(line);
  }
  return row;
}
