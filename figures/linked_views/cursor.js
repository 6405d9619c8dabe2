// The cursor (step, node, head, reading, playing, speed) of a channel, shared by every mount that names the channel.
//
// It lives at window.depthscope[channel] and offers get(), set(patch), subscribe(fn) -> unsubscribe. Moving it runs
// nothing on a server. `node` is a node's index in the model's input (null = none), `head` -1 = all heads together.
// `hover` is what the pointer previews; it is never kept in the address.

const SPEEDS = [1, 2, 4, 8, 16];
const PAUSE_AT_END = 1600; // ms
const ADDRESS_DELAY = 150; // ms after the last move
const ADDRESS_INTERVAL = 400; // ms between two writes at least: browsers refuse too many

function createCursor(name) {
  const state = { step: 0, node: null, head: -1, reading: null, playing: false, speed: 4 };
  const hover = { step: null, node: null };
  const subscribers = new Set();
  const members = new Set(); // { steps, heads } of each mount
  let frame = 0, due = 0, addressTimer = 0, addressWritten = 0;

  const lastStep = () => Math.max(0, ...[...members].map((m) => m.steps));
  const tell = (changed) => { for (const fn of [...subscribers]) fn(changed); };

  function tick(now) {
    frame = 0;
    if (!state.playing) return;
    if (now >= due) {
      const end = lastStep();
      const next = state.step >= end ? 0 : state.step + 1;
      due = now + (next === end ? PAUSE_AT_END : 1000 / state.speed) + (next === 0 ? 350 : 0);
      change({ step: next });
    }
    frame = requestAnimationFrame(tick);
  }

  function writeAddress() {
    addressTimer = 0;
    addressWritten = performance.now();
    const { step, node, head, reading } = state;
    writeAddressBar({ step, node, head: head < 0 ? null : head, reading });
  }

  function mirror() {
    if (![...members].some((m) => m.address)) return;
    const wait = Math.max(ADDRESS_DELAY, addressWritten + ADDRESS_INTERVAL - performance.now());
    if (addressTimer && state.playing) return; // while playing write at a steady pace, else after the last move
    clearTimeout(addressTimer);
    addressTimer = setTimeout(writeAddress, wait);
  }

  function change(patch) {
    const changed = {};
    for (const key of Object.keys(patch)) {
      if (!(key in state) || patch[key] === undefined) continue;
      let value = patch[key];
      if (key === "step") value = Math.round(Math.min(lastStep(), Math.max(0, Number(value) || 0)));
      if (key === "node") value = Number.isInteger(value) && value >= 0 ? value : null;
      if (key === "head") value = Number.isInteger(value) && value >= 0 ? value : -1;
      if (key === "speed") value = Math.min(60, Math.max(0.25, Number(value) || 4));
      if (key === "playing") value = Boolean(value);
      if (state[key] !== value) { state[key] = value; changed[key] = true; }
    }
    if (!Object.keys(changed).length) return;
    if (changed.playing && state.playing) {
      due = performance.now() + 1000 / state.speed;
      if (!frame) frame = requestAnimationFrame(tick);
    }
    tell(changed);
    mirror();
  }

  return {
    name,
    get: () => ({ ...state }),
    set: change,
    subscribe(fn) { subscribers.add(fn); return () => subscribers.delete(fn); },
    preview(step, node) {
      if (hover.step === step && hover.node === node) return;
      hover.step = step;
      hover.node = node;
      tell({ hover: true });
    },
    hover: () => ({ ...hover }),
    /** Go to a step by hand: playing stops. */
    seek(step) { change({ step, playing: false }); },
    play() {
      if (state.playing) return change({ playing: false });
      change({ step: state.step >= lastStep() ? 0 : state.step, playing: true });
    },
    lastStep,
    /** Writes the cursor into the address though it did not move: another instance has taken its place there. */
    remember: () => mirror(),
    heads: () => Math.max(0, ...[...members].map((m) => m.heads)),
    first: (member) => [...members][0] === member,
    join(member) { members.add(member); tell({ members: true }); },
    leave(member) {
      members.delete(member);
      if (members.size) return tell({ members: true });
      state.playing = false;
      cancelAnimationFrame(frame);
      clearTimeout(addressTimer);
      frame = addressTimer = 0;
      if (window.depthscope[name]?.get === this.get) delete window.depthscope[name];
    },
  };
}

function cursorOf(name) {
  window.depthscope ??= {};
  return (window.depthscope[name] ??= createCursor(name));
}
