/** Two dives beside each other. */

import {diveTitle, measures} from './dive_answer.js';
import {Player} from './player.js';
import {scoreChart} from './score_chart.js';

const NAMES = ['A', 'B'];

/** Chooses two dives, and shows them beside each other. */
export class Comparison {
  /**
   * @param {HTMLElement} section Where they are shown.
   * @param {Object} page scores, and say.
   */
  constructor(section, page) {
    this._section = section;
    this._page = page;
    this._chosen = [];
  }

  /** Chooses a dive, or no more; of three the first is left. */
  toggle(entry) {
    const place = this._chosen.findIndex(
      (each) => each.button === entry.button,
    );
    if (place >= 0) this._chosen.splice(place, 1);
    else this._chosen.push(entry);
    while (this._chosen.length > 2) this._press(this._chosen.shift(), false);
    this._press(entry, place < 0);
    this._draw();
  }

  /** Leaves the dives of a video that was removed. */
  forget(card) {
    const before = this._chosen.length;
    this._chosen = this._chosen.filter((entry) => entry.card !== card);
    if (this._chosen.length < before) this._draw();
  }

  _press(entry, isPressed) {
    entry.button.setAttribute('aria-pressed', isPressed);
    entry.button.textContent = isPressed ? 'Compared' : 'Compare';
  }

  _draw() {
    const body = this._section.querySelector('#comparison-body');
    for (const video of body.querySelectorAll('video')) video.pause();
    const isShown = this._chosen.length === 2;
    this._section.hidden = !isShown;
    body.replaceChildren();
    if (!isShown) {
      if (this._chosen.length) this._page.say('Choose another dive, too.');
      return;
    }
    const dives = this._chosen.map(({job, number}) => job.dives[number]);
    const players = this._chosen.map(
      ({video}, index) => new Player(dives[index], video, 'no video'),
    );
    body.append(this._videos(dives, players), synchronized(dives, players));
    const figure = document.createElement('figure');
    figure.className = 'score-chart';
    figure.append(
      scoreChart(
        dives.map((dive, index) => ({
          score: dive.score,
          interval: dive.score_interval,
          label: NAMES[index],
        })),
        this._page.scores,
      ),
    );
    body.append(figure, table(dives));
    this._section.querySelector('h2').focus();
    this._page.say('The two dives are beside each other.');
  }

  _videos(dives, players) {
    const row = document.createElement('div');
    row.className = 'two';
    players.forEach((player, index) => {
      const column = document.createElement('div');
      const title = document.createElement('h3');
      title.append(`${NAMES[index]}: ${this._chosen[index].job.name} `);
      const small = document.createElement('small');
      small.textContent = diveTitle(dives[index]);
      title.append(small);
      column.append(title, player.element);
      row.append(column);
    });
    return row;
  }
}

/** The moment at which two dives are laid over each other. */
function anchorOf(dive) {
  return dive.entry_seconds ?? dive.frame_seconds.at(-1);
}

/** Returns what plays and moves both players, entry over entry. */
function synchronized(dives, players) {
  const anchors = dives.map(anchorOf);
  // The slider counts steps, as many as show all of both dives.
  const step = Math.min(...players.map((player) => player.interval));
  const from = Math.min(
    ...dives.map((dive, index) => dive.frame_seconds[0] - anchors[index]),
  );
  const to = Math.max(
    ...dives.map((dive, index) => dive.frame_seconds.at(-1) - anchors[index]),
  );
  const box = document.createElement('div');
  box.className = 'controls both';
  const play = document.createElement('button');
  play.type = 'button';
  play.textContent = 'Play both';
  play.addEventListener('click', () => {
    players.forEach((player, index) => {
      player.playDive(anchors[index] + from);
    });
  });
  const label = document.createElement('label');
  const slider = document.createElement('input');
  slider.type = 'range';
  slider.min = Math.floor(from / step);
  slider.max = Math.ceil(to / step);
  slider.value = slider.min;
  const shown = document.createElement('output');
  const move = () => {
    const seconds = Number(slider.value) * step;
    const text = `${seconds.toFixed(2)} s`;
    shown.textContent = text;
    slider.setAttribute('aria-valuetext', text);
    return seconds;
  };
  slider.addEventListener('input', () => {
    const seconds = move();
    players.forEach((player, index) => {
      player.video.pause();
      player.seek(Math.max(anchors[index] + seconds, 0));
    });
  });
  move();
  const isEntry = dives.every((dive) => typeof dive.entry_seconds === 'number');
  label.append(
    isEntry ? 'Both, from the entry' : 'Both, from the last judged frame',
    slider,
    shown,
  );
  box.append(play, label);
  return box;
}

/** Returns the measures and classes side by side. */
function table(dives) {
  const columns = dives.map((dive) => {
    const column = measures(dive);
    for (const [name, value] of Object.entries(dive.classes)) {
      const share = dive.class_probabilities[name][value];
      column.set(
        name.replaceAll('_', ' '), `${value} (${Math.round(100 * share)} %)`,
      );
    }
    if (dive.caption !== null) column.set('commentary', dive.caption);
    return column;
  });
  const names = new Set(columns.flatMap((column) => [...column.keys()]));
  const element = document.createElement('table');
  element.className = 'side-by-side';
  const head = element.createTHead().insertRow();
  for (const name of ['', ...NAMES]) head.append(cell('th', name, 'col'));
  const body = element.createTBody();
  for (const name of names) {
    const row = body.insertRow();
    const texts = columns.map((column) => column.get(name) ?? '–');
    row.append(cell('th', name, 'row'));
    for (const text of texts) row.append(cell('td', text));
    if (texts[0] !== texts[1]) row.className = 'different';
  }
  return element;
}

function cell(name, text, scope) {
  const element = document.createElement(name);
  element.textContent = text;
  if (scope) element.scope = scope;
  return element;
}
