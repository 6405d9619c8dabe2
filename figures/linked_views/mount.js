// Mounts the views in a root, ties them to the cursor of a channel, and draws when something moved.
//
// `show(root, send)` knows nothing of Streamlit; the default export is the thin face that Streamlit calls.

const ROLES = {
  full: ["scrubber", "structure", "wavefront", "trajectories", "answer"],
  views: ["structure", "wavefront", "trajectories", "answer"],
};
const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");
const ROWS_FOR_READERS = 40;
const CONTROLS = "input, select, textarea, button, a[href], summary, [contenteditable], [role=slider], [role=combobox], "
  + "[role=listbox], [role=option], [role=radio], [role=tab], [role=menu], [role=dialog]"; // of the page: they keep their keys

function show(root, send) {
  const $ = (selector) => root.querySelector(selector);
  const views = {
    structure: new Structure($(".ds-structure canvas")),
    wavefront: new Wavefront($(".ds-wavefront canvas")),
    trajectories: new Trajectories($(".ds-trajectories canvas")),
    answer: new Answer($(".ds-answer canvas")),
    scrubber: new Scrubber($(".ds-track canvas")),
  };
  const off = new AbortController(), listening = { signal: off.signal };
  const member = { steps: 0, heads: 0, address: false };
  const editor = new Editor(root, (edit) => send("edit", edit), () => (cursor ? (p?.drawnOf.get(cursor.get().node) ?? -1) : -1), off.signal);
  let p = null, theme = null, cursor = null, leave = null, data = null, roles = ROLES.full;
  let frame = 0, stale = true, spoken = 0, id = null, started = false, last = null;
  // The step on screen moves smoothly from one to the next; everything that counts uses whole steps.
  const motion = { from: 0, to: 0, start: 0, length: 0 };
  const stats = (root.depthscopeStats = {
    frames: [], draw: [],
    /** Where a node of the model stands on the canvas of the structure. */
    where: (node) => { const i = p.drawnOf.get(node); return [views.structure.x[i], views.structure.y[i]]; },
  });

  const shows = (view) => roles.includes(view) && p !== null;
  const local = (step) => Math.max(0, Math.min(p.steps, step));

  function now() {
    const state = cursor.get(), hover = cursor.hover();
    const step = local(hover.step !== null && !state.playing ? hover.step : state.step);
    return { state, hover, step };
  }

  function update(next) {
    data = next;
    const channel = String(data.channel ?? "main");
    if (!cursor || cursor.name !== channel) {
      leave?.();
      cursor = cursorOf(channel);
      const unsubscribe = cursor.subscribe(onCursor), joined = cursor;
      leave = () => { unsubscribe(); joined.leave(member); };
    }
    theme = readTheme(root);
    nameSaves(root, data.picture);
    const isNew = data.meta.id !== id;
    if (isNew) {
      p = unpack(data);
      id = data.meta.id;
    } else if (p.meta !== data.meta) p = unpack(data);
    Object.assign(member, { steps: p.steps, heads: p.heads, address: data.address !== false });
    cursor.join(member);
    roles = ROLES[data.role] ?? String(data.role ?? "full").split(" ");
    if (isNew) begin(data.initial ?? {});
    cursor.set({ step: cursor.get().step }); // a shorter trace may have taken the place of a longer one
    editor.fit(p, data.edit);
    describe();
    choices();
    stale = true;
    const { step } = now();
    Object.assign(motion, { from: step, to: step, length: 0 });
    schedule();
  }

  /** Where the cursor starts on a new trace. */
  function begin(initial) {
    if (initial.keep && started) { // an edited instance: the cursor stays where it was, as far as it is there
      const { node } = cursor.get();
      if (initial.keep === "step" || !p.drawnOf.has(node)) cursor.set({ node: null });
      cursor.remember();
      return;
    }
    started = true;
    const playing = Boolean(initial.playing) && !CALM.matches;
    cursor.set({ playing: false });
    cursor.set({
      step: playing ? 0 : (initial.step ?? p.steps),
      node: initial.node ?? null,
      head: initial.head ?? -1,
      reading: initial.reading ?? p.meta.readings[0].name,
      speed: initial.speed ?? 4,
    });
    if (playing) cursor.set({ playing: true });
  }

  function onCursor(changed) {
    if (!p) return;
    const { step, state } = now();
    if (step !== motion.to) {
      const jump = Math.abs(step - motion.to);
      const smooth = jump === 1 && !CALM.matches && (changed.step || changed.hover);
      motion.from = smooth ? motion.to : step;
      motion.to = step;
      motion.start = performance.now();
      motion.length = smooth ? (state.playing ? Math.min(520, 780 / state.speed) : 170) : 0;
    }
    if (changed.members) stale = true; // the scrubber is as long as the longest trace of the channel
    if (changed.playing || changed.speed || changed.reading || changed.head) choices();
    if (changed.node || changed.reading) describe();
    if (changed.node) editor.show();
    schedule();
  }

  function schedule() { if (!frame) frame = requestAnimationFrame(paint); }

  function paint(time) {
    frame = 0;
    if (!p || !root.isConnected) return;
    const began = performance.now();
    if (stale) refit();
    const { state, hover, step } = now();
    const share = motion.length ? Math.min(1, Math.max(0, (began - motion.start) / motion.length)) : 1;
    const mix = share < 1 ? share * share * (3 - 2 * share) : 1;
    const node = p.drawnOf.get(state.node) ?? -1;
    const f = {
      state, step, from: motion.from, mix, t: motion.from + (step - motion.from) * mix,
      reading: p.readingIndex(state.reading), head: state.head, node,
      focus: hover.node !== null ? (p.drawnOf.get(hover.node) ?? -1) : node,
      hoverStep: hover.step,
    };
    if (f.mix >= 1) f.from = step;
    last = f;
    for (const name of roles) if (views[name]?.surface.width) views[name].draw(f);
    speak(f);
    stats.draw.push(performance.now() - began);
    stats.frames.push(time);
    if (stats.frames.length > 600) { stats.frames.shift(); stats.draw.shift(); }
    if (share < 1) schedule();
  }

  function refit() {
    stale = false;
    for (const card of root.querySelectorAll(".ds-card")) card.hidden = !roles.includes(card.dataset.view);
    $(".ds-player").hidden = !roles.includes("scrubber");
    for (const name of roles) if (views[name]) views[name].fit(p, theme, cursor.lastStep());
    const ramp = $(".ds-ramp canvas"), ctx = ramp.getContext("2d");
    Object.assign(ramp, { width: 256, height: 1 });
    theme.rampCss.forEach((colour, k) => { ctx.fillStyle = colour; ctx.fillRect(k, 0, 1, 1); });
  }

  // ---- words ------------------------------------------------------------------------------------------------------

  function describe() {
    const m = p.meta, reading = m.readings[p.readingIndex(cursor.get().reading)];
    const put = (view, text) => { const at = $(`.ds-${view} p`); at.textContent = at.title = text; };
    for (const view of ["structure", "wavefront"]) {
      $(`.ds-${view} h3`).replaceChildren(view[0].toUpperCase() + view.slice(1), Object.assign(document.createElement("span"), { textContent: ` · ${oneLine(reading.name, 40)}` }));
    }
    const drawn = m.ghosts ? "The graph, and the tokens that the model reads; a node shows the mean of its mentions. " : m.lines.length && p.edgeKind.some((kind) => kind & 1) ? `Grey: ${m.path}. ` : "";
    const fill = reading.belief === "the truth" ? `the probability of the ${reading.name.replace("probe: ", "")}` : reading.belief && m.asked ? `the probability of “${m.asked}”` : "what the model holds";
    if (p.grouped) put("structure", `Groups: area by count, fill by their mean, ring by the share the oracle has reached.${p.heads ? " Lines: mean attention." : ""}`);
    else put("structure", `${drawn}Fill: ${fill}. Ring: what the oracle knows.${p.heads ? " Lines: attention into this step." : ""}`);
    put("wavefront", `Rows by when ${m.front_words} at best: the stair.`);
    put("trajectories", "Each node's state in one basis for all steps, with its last steps; faint: the whole run.");
    const node = p.drawnOf.get(cursor.get().node);
    put("answer", `Probability of “${m.words[0]}” after each step${node === undefined ? "" : `; dashed: ${oneLine(reading.name, 30)} at ${p.name(node, 18)}`}.`);
    $(".ds-structure footer").textContent = m.notice ?? "";
    ["true", "false", "open"].forEach((word, k) => { $(`[data-word=${word}]`).textContent = m.legend[k]; });
    const isChange = reading.name === "change of state";
    $(".ds-undecided").hidden = m.always_known;
    $(".ds-trained").hidden = !m.trained;
    $("[data-ramp='1']").textContent = isChange ? m.largest_change.toPrecision(2) : "1";
  }

  function options(select, values, chosen) {
    const key = JSON.stringify(values);
    if (select.dataset.key !== key) {
      select.replaceChildren(...values.map(([value, text]) => Object.assign(document.createElement("option"), { value, textContent: text })));
      select.dataset.key = key;
    }
    if (select.value !== String(chosen)) select.value = String(chosen);
  }

  function choices() {
    const state = cursor.get();
    const speeds = SPEEDS.includes(state.speed) ? SPEEDS : [...SPEEDS, state.speed].sort((a, b) => a - b);
    options($("[data-choice=speed]"), speeds.map((v) => [String(v), `${v}/s`]), state.speed);
    options($("[data-choice=reading]"), p.meta.readings.map((r) => [r.name, oneLine(r.name, 40)]), p.meta.readings[p.readingIndex(state.reading)].name);
    options($("[data-choice=head]"), [["-1", "all"], ...Array.from({ length: p.heads }, (_, h) => [String(h), String(h)])], state.head < p.heads ? state.head : -1);
    $(".ds-heads").hidden = p.heads < 2;
    $(".ds-swatches").replaceChildren(...Array.from({ length: p.heads > 1 ? Math.min(p.heads, 12) : 0 }, (_, h) => {
      const swatch = Object.assign(document.createElement("i"), { textContent: h ? String(h) : "head 0" });
      swatch.style.setProperty("--ds-head", css(theme.heads[h % theme.heads.length]));
      swatch.classList.toggle("ds-off", state.head >= 0 && state.head < p.heads && state.head !== h);
      return swatch;
    }));
    const play = $("[data-do=play]");
    play.classList.toggle("ds-playing", state.playing);
    play.setAttribute("aria-label", state.playing ? "Pause" : "Play");
    play.setAttribute("aria-pressed", String(state.playing));
  }

  /** What one node is, believes and should believe at a step. */
  function facts(i, step) {
    const m = p.meta, r = p.readingIndex(cursor.get().reading), truth = p.truth(step, i);
    const rows = [[m.readings[r].name, two(p.value(r, step, i))]];
    if (p.isGroup(i)) {
      rows.push(["nodes", m.count[i].toLocaleString("en")], ["oracle", p.verdict(step, i)]);
      if (m.readings[r].belief) rows.push(["belief", `wrong at ${percent(p.wrong[(r * p.rows + step) * p.n + i] / 255)}`]);
    } else if (truth.has) {
      rows.push(["oracle", p.verdict(step, i)]);
      if (m.readings[r].belief && truth.known) rows.push(["belief", p.isWrong(r, step, i) ? "✕ wrong" : "✓ right"]);
    }
    if (m.hops && m.hops[i] >= 0) rows.push(["hops", String(m.hops[i])]);
    return rows;
  }

  function speak(f) {
    const steps = cursor.lastStep();
    const output = $(".ds-step"), text = `${f.step}/${steps}`;
    if (output.dataset.text !== text) {
      output.dataset.text = text;
      const b = document.createElement("b");
      b.textContent = String(f.step);
      output.replaceChildren("step ", b, ` / ${steps}`);
      const range = $(".ds-track input");
      range.max = String(steps);
      range.value = String(f.step);
      range.setAttribute("aria-valuetext", `step ${f.step} of ${steps}`);
    }
    info(f);
    if (performance.now() - spoken < 500) { clearTimeout(speak.timer); speak.timer = setTimeout(schedule, 520); return; }
    spoken = performance.now();
    const m = p.meta, name = m.readings[f.reading].name;
    let wrong = 0, high = 0;
    for (let i = 0; i < p.n; i++) { wrong += p.isWrong(f.reading, f.step, i); high += p.value(f.reading, f.step, i) > 0.5; }
    const label = (view, words) => { const at = $(`.ds-${view} canvas`); if (at.getAttribute("aria-label") !== words) at.setAttribute("aria-label", words); };
    label("structure", `${m.title}. Step ${f.step} of ${p.steps}: ${name} is above one half at ${high} of ${p.n} nodes; ${wrong} differ from the oracle.`);
    label("wavefront", `${name} for ${p.n} nodes over ${p.steps} steps; at step ${f.step}, ${high} are above one half.`);
    label("trajectories", `States of ${p.n} nodes in principal components, ${percent(m.explained[0])} and ${percent(m.explained[1])} of the variance; step ${f.step}.`);
    label("answer", `Probability of ${m.words[0]}: ${two(p.probability[f.step])} after step ${f.step}. ${m.sentence}`);
    if (f.state.playing) return;
    $("table caption").textContent = `${m.title}: step ${f.step}, answer probability ${two(p.probability[f.step])}`;
    $("tbody").replaceChildren(...m.order.slice(0, ROWS_FOR_READERS).map((i) => {
      const row = document.createElement("tr"), truth = p.truth(f.step, i);
      const cells = [p.name(i, 40), two(p.value(f.reading, f.step, i)), truth.has ? p.verdict(f.step, i) : "none"];
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return row;
    }));
  }

  /** The line about the chosen node, under the structure. */
  function info(f) {
    const line = $(".ds-info"), key = `${id}/${f.node}/${f.step}/${f.reading}/${canPick(f.node)}/${canOpen(f.node)}`;
    if (line.dataset.key === key) return;
    line.dataset.key = key;
    line.classList.toggle("ds-chosen", f.node >= 0);
    const name = line.querySelector("b");
    if (f.node < 0) {
      name.textContent = !p.grouped ? "Click a node to follow it through every view; hover to look."
        : data.open_groups ? "Click a group to follow it through every view, and open it to see its nodes; hover to look."
        : "Click a group to follow it through every view; hover to look. Its nodes are not in this file: the app opens groups.";
      return;
    }
    const role = p.isSource.has(f.node) ? ` · ${p.meta.roles[0]}` : p.isTarget.has(f.node) ? ` · ${p.meta.roles[1]}` : f.node === p.meta.answer_node ? " · answer" : "";
    name.textContent = name.title = p.name(f.node, 40) + role;
    const said = line.querySelector(".ds-facts");
    said.textContent = said.title = facts(f.node, f.step).filter(([term]) => term !== "hops").map(([term, value]) => (term === "belief" ? value : `${oneLine(term, 24)} ${value}`)).join("  ·  ");
    line.querySelector(".ds-ends").hidden = !canPick(f.node);
    line.querySelector(".ds-opens").hidden = !canOpen(f.node);
  }

  function tip(view, text, x, y) {
    const at = $(`[data-view=${view}] .ds-tip`);
    at.classList.toggle("ds-on", Boolean(text));
    if (!text) return;
    at.textContent = text;
    const stage = at.parentElement, w = at.offsetWidth, h = at.offsetHeight;
    const left = x + 14 + w > stage.clientWidth ? x - w - 10 : x + 14;
    const top = y + 14 + h > stage.clientHeight ? y - h - 8 : y + 14;
    at.style.transform = `translate(${Math.max(2, Math.min(stage.clientWidth - w - 2, left))}px, ${Math.max(view === "scrubber" ? -h - 4 : 2, Math.min(Math.max(2, stage.clientHeight - h - 2), top))}px)`;
  }

  // ---- hands ------------------------------------------------------------------------------------------------------

  const canPick = (i) => Boolean(data?.pick_ends) && p.meta.ends !== null && p.meta.instance_node[i] >= 0;

  const canOpen = (i) => Boolean(data?.open_groups) && p.isGroup(i) && p.meta.group[i] !== p.meta.opened;

  function openGroup() {
    const i = p?.drawnOf.get(cursor.get().node);
    if (i !== undefined && canOpen(i)) send("group", { group: p.meta.group[i] });
  }

  function pick(which) {
    const i = p?.drawnOf.get(cursor.get().node);
    if (i === undefined || !canPick(i)) return;
    const [source, target] = p.meta.ends, chosen = p.meta.instance_node[i];
    send("ends", which === "source" ? { source: chosen, target } : { source, target: chosen });
  }

  const actions = {
    back: () => cursor.seek(cursor.get().step - 1),
    forward: () => cursor.seek(cursor.get().step + 1),
    play: () => cursor.play(),
    clear: () => { cursor.preview(null, null); cursor.set({ node: null }); },
    source: () => pick("source"),
    target: () => pick("target"),
    open: openGroup,
    edit: () => { editor.toggle(); stale = true; schedule(); },
    turn: () => {
      const view = views.trajectories;
      view.solid = !view.solid;
      $("[data-do=turn]").setAttribute("aria-pressed", String(view.solid));
      view.surface.canvas.classList.toggle("ds-turning", view.solid);
      view.fit(p, theme);
      schedule();
    },
  };

  for (const button of root.querySelectorAll("[data-do]")) button.addEventListener("click", () => actions[button.dataset.do](), listening);
  for (const select of root.querySelectorAll("[data-choice]")) {
    select.addEventListener("change", () => {
      const kind = select.dataset.choice;
      cursor.set({ [kind]: kind === "reading" ? select.value : Number(select.value) });
    }, listening);
  }
  $(".ds-track input").addEventListener("input", (event) => cursor.seek(Number(event.target.value)), listening);

  for (const name of ["structure", "wavefront", "trajectories", "answer"]) {
    const view = views[name], canvas = view.surface.canvas;
    let drag = null;
    const where = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const describeHit = (hit, x, y) => {
      const step = hit.step ?? now().step;
      if (hit.node !== undefined && hit.node >= 0) {
        const rows = facts(hit.node, local(step)).map(([term, value]) => `${term}: ${value}`);
        return `${p.name(hit.node, 60)} · step ${step}\n${rows.join("\n")}`;
      }
      if (name === "answer" && hit.step !== null) return `step ${step}: probability of “${p.meta.words[0]}” ${two(p.probability[step])}, logit ${p.logits[step].toFixed(2)}`;
      return "";
    };
    canvas.addEventListener("pointermove", (event) => {
      if (!p) return;
      const [x, y] = where(event);
      if (drag?.node) {
        if (view.move(x, y)) schedule();
        return;
      }
      if (drag) {
        view.yaw = drag.yaw + (x - drag.x) / 120;
        view.pitch = Math.max(-1.5, Math.min(1.5, drag.pitch + (y - drag.y) / 120));
        schedule();
        return;
      }
      const hit = view.hit(x, y);
      cursor.preview(hit.step ?? null, hit.node >= 0 ? p.meta.node[hit.node] : null);
      tip(name, describeHit(hit, x, y), x, y);
    }, listening);
    canvas.addEventListener("pointerleave", () => { cursor?.preview(null, null); tip(name, ""); }, listening);
    canvas.addEventListener("pointerdown", (event) => {
      if (!p || event.button !== 0) return;
      const [x, y] = where(event), hit = view.hit(x, y);
      if (name === "trajectories" && view.solid && hit.node < 0) {
        drag = { x, y, yaw: view.yaw, pitch: view.pitch };
        canvas.setPointerCapture(event.pointerId);
        return;
      }
      if (name === "structure" && editor.click(hit.node, event.shiftKey)) return;
      if (name === "structure" && view.grab(hit.node, x, y)) { drag = { node: true }; canvas.setPointerCapture(event.pointerId); }
      const patch = {};
      if (hit.node !== undefined) patch.node = hit.node >= 0 ? p.meta.node[hit.node] : null;
      if (hit.step !== undefined && hit.step !== null) Object.assign(patch, { step: hit.step, playing: false });
      if (name === "wavefront" && hit.node < 0) return;
      cursor.set(patch);
    }, listening);
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => { if (drag?.node && view.release()) schedule(); drag = null; }, listening);
  }

  /** Saves what a view shows as a picture, on the card's ground. */
  function save(name, format) {
    const view = views[name];
    if (!last || !view.surface.width) return;
    savePicture(view.surface, theme.card, `${p.meta.checkpoint}-${name}-step-${last.step}`, format, () => {
      view.fit(p, theme, cursor.lastStep());
      view.draw(last);
    });
    stale = true;
    schedule();
  }

  for (const name of ROLES.views) $(`.ds-${name} .ds-save`).addEventListener("click", (event) => save(name, pictureFormat(event, data.picture)), listening);

  const track = $(".ds-track");
  let held = false;
  const seekTo = (event) => { const box = track.getBoundingClientRect(); return views.scrubber.step(event.clientX - box.left); };
  track.addEventListener("pointerdown", (event) => {
    if (!p || event.button !== 0) return;
    held = true;
    track.setPointerCapture(event.pointerId);
    cursor.preview(null, null);
    cursor.seek(seekTo(event));
  }, listening);
  track.addEventListener("pointermove", (event) => {
    if (!p) return;
    if (held) cursor.seek(seekTo(event)); else cursor.preview(seekTo(event), null);
  }, listening);
  for (const kind of ["pointerup", "pointercancel"]) track.addEventListener(kind, () => { held = false; }, listening);
  track.addEventListener("pointerleave", () => { if (!held) cursor?.preview(null, null); }, listening);

  /** Keys work anywhere on the page, unless another control has the focus; the first mount of a channel answers. */
  window.addEventListener("keydown", (event) => {
    if (!p || !cursor.first(member) || event.altKey || event.defaultPrevented) return;
    const target = event.composedPath()[0], inside = event.composedPath().includes(root);
    if (event.ctrlKey || event.metaKey) { // undo and redo, but where text is written they are the text's
      const key = event.key.toLowerCase(), name = key === "z" ? (event.shiftKey ? "redo" : "undo") : key === "y" ? "redo" : null;
      if (name && data.edit && !target.closest?.("input, textarea, [contenteditable]")) { event.preventDefault(); send("edit", { name, at: [] }); }
      return;
    }
    const own = inside || root.getRootNode().host?.contains(target);
    if (!own && !mates(target) && target.closest?.(CONTROLS)) return;
    const tag = target.tagName;
    if (tag === "SELECT" || tag === "TEXTAREA" || (tag === "INPUT" && !["Escape", " "].includes(event.key))) return;
    if (tag === "BUTTON" && [" ", "Enter"].includes(event.key)) return;
    if (editor.key(event.key)) { event.preventDefault(); return; }
    const state = cursor.get();
    const keys = {
      " ": actions.play, ArrowLeft: actions.back, ArrowRight: actions.forward,
      Home: () => cursor.seek(0), End: () => cursor.seek(cursor.lastStep()),
      "[": () => cursor.set({ head: state.head < 0 ? cursor.heads() - 1 : state.head - 1 }),
      "]": () => cursor.set({ head: state.head + 1 >= cursor.heads() ? -1 : state.head + 1 }),
      Escape: actions.clear, s: actions.source, t: actions.target, o: actions.open,
    };
    if (!Object.hasOwn(keys, event.key)) return;
    if ((event.key === "s" || event.key === "t") && !data.pick_ends) return;
    event.preventDefault();
    keys[event.key]();
  }, listening);

  /** Whether an element lies in another mount of the same kind. */
  const mates = (target) => Boolean(target.closest?.(".ds"));

  const watch = new ResizeObserver(() => { stale = true; schedule(); });
  watch.observe(root);
  for (const canvas of root.querySelectorAll(".ds-stage canvas, .ds-track canvas")) watch.observe(canvas);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => { if (p) { theme = readTheme(root); stale = true; schedule(); } }, listening);

  return {
    update,
    close() {
      off.abort();
      watch.disconnect();
      cancelAnimationFrame(frame);
      clearTimeout(speak.timer);
      leave?.();
    },
  };
}

const MOUNTED = new WeakMap();

export default function mount(component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".ds");
  let opened = MOUNTED.get(root);
  if (!opened) {
    opened = { send: null };
    opened.views = show(root, (name, value) => opened.send(name, value));
    MOUNTED.set(root, opened);
  }
  opened.send = (name, value) => setTriggerValue(name, value);
  if (opened.text !== data.meta) Object.assign(opened, { text: data.meta, meta: JSON.parse(data.meta) });
  opened.views.update({ ...data, meta: opened.meta, initial: JSON.parse(data.initial) });
  return () => { opened.views.close(); MOUNTED.delete(root); };
}
