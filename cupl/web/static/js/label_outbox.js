// Labels on their way to the server, one after the other; none is lost while it does not answer.

import { post } from "./api.js";

const KEPT = "cupl-label-outbox";
const AGAIN = 1500;

function kept() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch { return []; }
}

/** Lives as long as the tab: labels also go out when another page is shown, and after a reload. */
export const outbox = {
  waiting: kept(),
  running: false,
  /** Whether the server did not answer the last time. */
  stuck: false,
  /** Whom to tell: sent(body), refused(body, error), waits(); null while the page is not shown. */
  told: null,
  /** What was refused while the page was not shown. */
  refusals: [],
  all: () => outbox.waiting,
  send(body) {
    outbox.waiting.push(body);
    outbox.start();
  },
  start() {
    keep();
    if (!outbox.running && outbox.waiting.length) outbox.running = deliver().finally(() => { outbox.running = false; });
  },
  /** Resolves once nothing is on its way. */
  async emptied() {
    while (outbox.running) await outbox.running;
  },
};

function keep() {
  if (outbox.waiting.length) sessionStorage.setItem(KEPT, JSON.stringify(outbox.waiting));
  else sessionStorage.removeItem(KEPT);
}

async function deliver() {
  while (outbox.waiting.length) {
    const [body] = outbox.waiting;
    let failed = null;
    try {
      await post("/api/label/put", body);
    } catch (error) {
      failed = error;
    }
    outbox.stuck = failed?.status === 0;
    if (outbox.stuck) {
      outbox.told?.waits();
      await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
      continue;
    }
    outbox.waiting.shift();
    // What was to be changed after a label that was refused is refused with it.
    if (failed) outbox.waiting = outbox.waiting.filter(({ photo }) => photo !== body.photo);
    keep();
    if (!failed) outbox.told?.sent(body);
    else if (outbox.told) await outbox.told.refused(body, failed);
    else outbox.refusals.push([body, failed]);
  }
}

addEventListener("beforeunload", (event) => { if (outbox.waiting.length) event.preventDefault(); });
