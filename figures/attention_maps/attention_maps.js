// Mounts the maps, ties them to the cursor of the linked views, and draws when something moved.
//
// The maps join no channel of their own: step, node and head are the cursor's, and a click moves it for all views.

const LARGE_HEIGHT = (width) => Math.max(330, Math.min(480, 0.3 * width)); // as in the style
const STRONGEST = 12; // links in the table for readers of the screen

/** Attention as weights by step, head and pair. The format is described in attention_maps.py. */
function unpackMaps(data) {
  const meta = data.meta, m = meta.side, P = meta.pairs, heads = meta.n_heads;
  const root = typed(data, "root", Uint8Array), path = typed(data, "path", Uint32Array);
  const p = { meta, m, heads, held: meta.held, steps: meta.steps, root, path, links: meta.links, query: typed(data, "query", Uint32Array), key: typed(data, "key", Uint32Array) };
  if (!p.query) {
    p.query = Uint32Array.from({ length: P }, (_, j) => Math.floor(j / m));
    p.key = Uint32Array.from({ length: P }, (_, j) => j % m);
  }
  p.pairOf = new Map();
  for (let j = 0; j < P; j++) p.pairOf.set(p.query[j] * m + p.key[j], j);
  p.since = (j) => p.path[2 * p.links + j];
  p.onPath = new Map(Array.from({ length: p.links }, (_, j) => [path[j] * m + path[p.links + j], p.since(j)]));
  const planes = new Map();
  /** Weights of all pairs at a held step, of one head or the mean of all, Float32Array (P,). */
  p.plane = (k, head) => {
    const name = `${k}/${head}`;
    if (!planes.has(name)) {
      if (planes.size > 300) planes.clear();
      const out = new Float32Array(P);
      const from = head < 0 ? 0 : head, to = head < 0 ? heads : head + 1;
      for (let h = from; h < to; h++) {
        const at = (k * heads + h) * P;
        for (let j = 0; j < P; j++) out[j] += (root[at + j] / 255) ** 2 / (to - from);
      }
      planes.set(name, out);
    }
    return planes.get(name);
  };
  /** How full the colour of a weight is: its root where a node spreads its attention over all. */
  p.level = (weight) => (meta.full ? Math.sqrt : Number)(Math.min(1, weight / meta.top));
  /** Index of the last held step up to a step; -1 before the first. */
  p.heldAt = (step) => (step < 1 ? -1 : p.held.findLastIndex((t) => t <= step));
  p.arrange = (rows) => {
    p.order = rows;
    p.rowOf = new Int32Array(m);
    rows.forEach((i, r) => { p.rowOf[i] = r; });
  };
  return p;
}

/** A map as a picture of at most so many pixels; where there are fewer pixels than rows each shows its largest weight. */
function mapImage(p, theme, plane, pixels) {
  const size = Math.min(p.m, pixels), largest = new Float32Array(size * size).fill(-1);
  for (let j = 0; j < plane.length; j++) {
    const y = Math.floor((p.rowOf[p.query[j]] * size) / p.m), x = Math.floor((p.rowOf[p.key[j]] * size) / p.m);
    if (plane[j] > largest[y * size + x]) largest[y * size + x] = plane[j];
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const ctx = canvas.getContext("2d"), image = ctx.createImageData(size, size);
  const none = theme.none;
  for (let i = 0; i < largest.length; i++) {
    const rgb = largest[i] < 0 ? none : theme.ramp[shade(p.level(largest[i]))];
    image.data.set([rgb[0], rgb[1], rgb[2], 255], 4 * i);
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

function showMaps(root) {
  const $ = (selector) => root.querySelector(selector);
  const small = new Thumbnails($(".am-small canvas")), large = new Enlarged($(".am-large .ds-stage canvas"));
  const off = new AbortController(), listening = { signal: off.signal };
  const stats = (root.depthscopeStats = { fit: [], draw: [] });
  let p = null, theme = null, cursor = null, leave = null, stale = true, frame = 0, over = null, look = null, told = "", ordered = null, picture = null;

  function follow() {
    const now = cursorOf("main");
    if (now === cursor) return;
    leave?.();
    cursor = now;
    leave = cursor.subscribe(schedule);
  }

  function update(data) {
    picture = data.picture;
    nameSaves(root, picture);
    if (!p || p.meta !== data.meta) {
      const same = p && JSON.stringify(p.meta) === JSON.stringify(data.meta);
      if (!same) {
        p = unpackMaps(data);
        const names = p.meta.orders.map((order) => order.name), select = $("[data-choice=order]");
        select.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name, textContent: name })));
        $(".am-order").hidden = names.length < 2;
        select.value = names.includes(ordered) ? ordered : names[0];
        arrange();
        over = look = null;
        told = "";
      }
    }
    theme = { ...readTheme(root) };
    theme.none = blend(theme.page, theme.ink, 0.06);
    follow();
    words();
    stale = true;
    schedule();
  }

  function arrange() {
    const name = $("[data-choice=order]").value;
    p.arrange(p.meta.orders.find((order) => order.name === name)?.rows ?? p.meta.orders[0].rows);
    stale = true;
  }

  function words() {
    const m = p.meta;
    $(".am-small p").textContent = "Some of the steps, all heads. Click a map to go there.";
    $(".am-large p").textContent = "Row: who reads. Column: whom it reads from.";
    $(".am-small footer").textContent = m.notice ?? "";
    $(".am-path").hidden = !m.links;
    $(".am-mask").hidden = m.full;
    const told = (share) => String(Number((share * m.top).toPrecision(2))).replace(/^0\./, ".");
    $("[data-top]").textContent = told(1);
    $("[data-middle]").textContent = told(m.full ? 0.25 : 0.5);
  }

  function schedule() { if (!frame) frame = requestAnimationFrame(paint); }

  function refit() {
    stale = false;
    const stage = $(".am-small .ds-stage"), due = `${small.plan(p, stage.clientWidth, LARGE_HEIGHT(root.clientWidth))}px`;
    if (stage.style.height !== due) stage.style.height = due;
    small.fit(p, theme);
    large.fit(p, theme);
    const ramp = $(".ds-ramp canvas"), ctx = ramp.getContext("2d");
    Object.assign(ramp, { width: 256, height: 1 });
    theme.rampCss.forEach((colour, k) => { ctx.fillStyle = colour; ctx.fillRect(k, 0, 1, 1); });
  }

  function now() {
    const state = cursor.get(), hover = cursor.hover();
    let step = Math.min(p.steps, hover.step !== null && !state.playing ? hover.step : state.step);
    let head = state.head < p.heads ? state.head : -1;
    if (look) [step, head] = [look.step ?? step, look.head];
    if (p.heads === 1) head = 0;
    const node = hover.node ?? state.node;
    const row = node === null ? -1 : Math.floor(node / p.meta.block);
    return { step, head, k: p.heldAt(step), row: row < p.m ? row : -1, over };
  }

  function paint() {
    frame = 0;
    if (!p || !root.isConnected) return;
    follow();
    const began = performance.now();
    if (stale) { refit(); stats.fit.push(performance.now() - began); }
    const f = now(), state = cursor.get();
    small.draw(look ? { ...f, step: Math.min(p.steps, state.step), head: state.head < p.heads ? (p.heads === 1 ? 0 : state.head) : -1 } : f);
    large.draw(f);
    stats.draw.push(performance.now() - began);
    if (stats.draw.length > 600) stats.draw.shift();
    speak(f, state.playing);
  }

  const headName = (head) => (head < 0 ? `mean of ${p.heads} heads` : `head ${head}`);

  function speak(f, playing) {
    const step = f.k < 0 ? 0 : p.held[f.k], said = `step ${step}, ${headName(f.head)}`;
    if ($(".am-large h3").textContent !== `Attention · ${said}`) {
      $(".am-large h3").replaceChildren("Attention", Object.assign(document.createElement("span"), { textContent: ` · ${said}` }));
    }
    if (playing || look || said === told) return;
    told = said;
    $(".am-large canvas").setAttribute("aria-label", `Attention of ${p.meta.title} at ${said}, ${p.m} by ${p.m}.`);
    const plane = f.k < 0 ? [] : p.plane(f.k, f.head);
    const best = [...plane.keys()].filter((j) => p.query[j] !== p.key[j]).sort((a, b) => plane[b] - plane[a]).slice(0, STRONGEST);
    $("table caption").textContent = `Strongest links: ${said}`;
    $("tbody").replaceChildren(...best.map((j) => {
      const line = document.createElement("tr");
      const cells = [p.meta.names[p.query[j]], p.meta.names[p.key[j]], plane[j].toFixed(2)];
      line.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return line;
    }));
  }

  function tip(view, text, x, y) {
    const at = $(`[data-view=${view}] .ds-tip`);
    at.classList.toggle("ds-on", Boolean(text));
    if (!text) return;
    at.textContent = text;
    const stage = at.parentElement, w = at.offsetWidth, h = at.offsetHeight;
    const left = x + 14 + w > stage.clientWidth ? x - w - 10 : x + 14, top = y + 14 + h > stage.clientHeight ? y - h - 8 : y + 14;
    at.style.transform = `translate(${Math.max(2, Math.min(stage.clientWidth - w - 2, left))}px, ${Math.max(2, top)}px)`;
  }

  function about(f, hit) {
    const i = p.order[hit.row], j = hit.column < 0 ? -1 : p.order[hit.column];
    if (j < 0) return p.meta.names[i];
    const pair = p.pairOf.get(i * p.m + j), since = p.onPath.get(i * p.m + j);
    const who = i === j ? `${p.meta.names[i]} reads itself` : `${p.meta.names[i]} reads ${p.meta.names[j]}`;
    const weight = f.k < 0 ? "" : pair === undefined ? "\nnot joined: weight 0" : `\nweight ${p.plane(f.k, f.head)[pair].toFixed(3)}`;
    const path = since === undefined ? "" : `\non the path from step ${since}`;
    return `${who}${weight}${path}`;
  }

  const where = (event) => { const box = event.currentTarget.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const nodeAt = (hit) => p.meta.node[p.order[hit.row]];

  function listen(view, name, moved, clicked) {
    const canvas = view.surface.canvas;
    canvas.addEventListener("pointermove", (event) => { if (p) { follow(); moved(view.hit(...where(event)), ...where(event)); schedule(); } }, listening);
    canvas.addEventListener("pointerleave", () => { over = look = null; cursor?.preview(null, null); tip(name, ""); schedule(); }, listening);
    canvas.addEventListener("pointerdown", (event) => { if (p && event.button === 0) clicked(view.hit(...where(event))); }, listening);
  }

  listen(small, "small", (hit, x, y) => {
    look = hit && !cursor.get().playing ? hit : null;
    cursor.preview(hit?.step ?? null, null);
    tip("small", hit ? [hit.step === null ? null : `step ${hit.step}`, headName(hit.head)].filter(Boolean).join(", ") : "", x, y);
  }, (hit) => {
    if (!hit) return;
    cursor.set(hit.step === null ? { head: hit.head } : { step: hit.step, head: p.heads === 1 ? -1 : hit.head, playing: false });
  });
  listen(large, "large", (hit, x, y) => {
    over = hit;
    cursor.preview(null, hit ? nodeAt(hit) : null);
    tip("large", hit ? about(now(), hit) : "", x, y);
  }, (hit) => cursor.set({ node: hit ? nodeAt(hit) : null }));

  $("[data-choice=order]").addEventListener("change", (event) => { ordered = event.target.value; arrange(); schedule(); }, listening);

  function fileName(name, f) {
    const place = name === "small" ? "attention-maps" : `attention-step${f.step}-${f.head < 0 ? "mean" : `head${f.head}`}`;
    return `${p.meta.title.replace(/[^\w.-]/g, "-")}-${place}`;
  }

  /** Saves a view as a picture, on the card's ground. */
  function save(name, view, format) {
    const f = now();
    savePicture(view.surface, theme.card, fileName(name, f), format, () => {
      view.fit(p, theme);
      view.draw(f);
    });
    stale = true;
    schedule();
  }
  for (const [name, view] of [["small", small], ["large", large]]) $(`[data-do=${name}]`).addEventListener("click", (event) => { if (p) save(name, view, pictureFormat(event, picture)); }, listening);

  const watch = new ResizeObserver(() => { stale = true; schedule(); });
  for (const stage of root.querySelectorAll(".ds-stage")) watch.observe(stage);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => { if (p) { theme = { ...readTheme(root) }; theme.none = blend(theme.page, theme.ink, 0.06); stale = true; schedule(); } }, listening);

  return { update, close() { off.abort(); watch.disconnect(); cancelAnimationFrame(frame); leave?.(); } };
}

const MAPS = new WeakMap();

export default function mount(component) {
  const { data, parentElement } = component, root = parentElement.querySelector(".ds");
  let opened = MAPS.get(root);
  if (!opened) MAPS.set(root, (opened = showMaps(root)));
  opened.update(data);
  return () => { opened.close(); MAPS.delete(root); };
}
