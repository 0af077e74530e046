/** The page: takes videos, sends them one after the other, shows answers. */

import {askJob, askModel, Problem} from './api.js';
import {Comparison} from './comparison.js';
import {VideoCard} from './video_card.js';

const KEPT = 'aqa_jax.jobs';

const form = document.getElementById('send');
const files = document.getElementById('files');
const drop = document.querySelector('.drop');
const answers = document.getElementById('answers');
const status = document.getElementById('status');
const cards = new Set();

const page = {
  scores: null,
  say: (text) => {
    status.textContent = text;
  },
  compare: (entry) => comparison.toggle(entry),
  forget: (card) => {
    cards.delete(card);
    comparison.forget(card);
    remember();
  },
};
const comparison = new Comparison(
  document.getElementById('comparison'), page,
);
const model = askModel().then((facts) => {
  page.scores = facts.training_scores;
  return facts;
});

/** Keeps which videos there are, for when the page is loaded again. */
function remember() {
  const ids = [...cards].filter((card) => card.job).map((card) => card.job.id);
  sessionStorage.setItem(KEPT, JSON.stringify(ids));
}

function addCard(name) {
  const card = new VideoCard(name, page);
  cards.add(card);
  answers.prepend(card.element);
  return card;
}

function options() {
  const data = new FormData(form);
  return {
    end: data.get('end').trim(),
    speed: data.get('speed'),
    force: data.has('force') ? '1' : '0',
  };
}

/** Uploads one after the other; each is followed while the next comes. */
let sending = model.catch(() => {});

function send(file, chosen) {
  const card = addCard(file.name);
  sending = sending.then(async () => {
    try {
      const {limits} = await model;
      if (!file.size) throw new Problem('empty', 'The file is empty.');
      if (file.size > limits.max_bytes) {
        throw new Problem(
          'too_large',
          `${file.name}: is larger than ${limits.max_bytes / 1e6} MB; cut the `
          + 'dive out of it, or compress it.',
        );
      }
      await card.send(file, chosen);
    } catch (problem) {
      card.fail(problem);
      return;
    }
    remember();
    follow(card, card.job);
  });
}

async function follow(card, job) {
  try {
    await card.follow(job);
  } catch (problem) {
    card.fail(problem);
  }
}

function take(list) {
  if (!form.reportValidity()) return;
  const chosen = options();
  for (const file of list) send(file, chosen);
  if (list.length) page.say(`${list.length} videos are being sent.`);
}

async function restore() {
  const ids = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]');
  await model;
  for (const id of ids.toReversed()) {
    try {
      const job = await askJob(id);
      follow(addCard(job.name), job);
    } catch {
      // It was deleted since.
    }
  }
  remember();
}

files.addEventListener('change', () => {
  take(files.files);
  files.value = '';
});
form.addEventListener('submit', (event) => event.preventDefault());
for (const name of ['dragenter', 'dragover']) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
}
for (const name of ['dragleave', 'drop']) {
  document.addEventListener(name, () => drop.classList.remove('over'));
}
document.addEventListener('drop', (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
restore().catch((problem) => {
  page.say(problem.message);
});
