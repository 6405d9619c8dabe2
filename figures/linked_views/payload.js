// A payload as typed arrays, and the questions the views ask it. The format is described in linked_views.py.

function typed(data, name, Type) {
  const value = data[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") return new Type(value.slice().buffer);
  const text = atob(value);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Type(bytes.buffer);
}

function unpack(data) {
  const meta = data.meta;
  const n = meta.n_nodes, rows = meta.steps + 1;
  const p = {
    meta, n, steps: meta.steps, rows, heads: meta.n_heads, labels: meta.labels,
    xy: typed(data, "xy", Float32Array),
    readings: typed(data, "readings", Uint8Array),
    oracle: typed(data, "oracle", Uint8Array),
    states: typed(data, "states", Float32Array),
    bars: typed(data, "bars", Float32Array),
    probability: typed(data, "probability", Float32Array),
    logits: typed(data, "logits", Float32Array),
    edges: typed(data, "edges", Uint16Array),
    edgeKind: typed(data, "edge_kind", Uint8Array),
    attention: typed(data, "attention", Uint8Array),
    flowFrom: typed(data, "flow_from", Uint16Array),
    flowTo: typed(data, "flow_to", Uint16Array),
    flowHead: typed(data, "flow_head", Uint8Array),
    flowWeight: typed(data, "flow_weight", Uint8Array),
    flowStart: typed(data, "flow_start", Uint32Array),
    reached: typed(data, "reached", Uint8Array), // these four where the nodes of a graph are drawn in groups
    wrong: typed(data, "wrong", Uint8Array),
    size: typed(data, "size", Float32Array),
    edgeSize: typed(data, "edge_size", Uint8Array),
  };
  p.grouped = p.size !== null;
  p.isGroup = (i) => p.grouped && i >= 0 && i < n && meta.count[i] > 0 && p.size[i] > 0;
  /** Share of the nodes of a group that the oracle has reached by a step. */
  p.share = (t, i) => p.reached[t * n + i] / 255;
  p.nEdges = meta.n_edges;
  // Ghosts, numbered from n on: nodes of the instance that the model reads of in several tokens. They show the mean.
  const ghosts = meta.ghosts ?? { labels: [], mentions: [], hops: [], ends: [-1, -1] };
  p.total = n + ghosts.labels.length;
  p.labels = [...meta.labels, ...ghosts.labels];
  p.hops = meta.hops && [...meta.hops, ...ghosts.hops];
  p.ghostEnds = ghosts.ends.map((k) => (k < 0 ? -1 : n + k));
  if (meta.ghosts) p.xy = Float32Array.from([...p.xy, ...typed(data, "ghost_xy", Float32Array)]);
  p.lineOf = new Int32Array(p.total).fill(-1);
  meta.lines.forEach((line, k) => { for (const i of line) p.lineOf[i] = k; });
  p.of = [...meta.instance_node, ...ghosts.mentions.map((nodes) => meta.instance_node[nodes[0]])];
  /** A drawn node of the model: itself, or the first mention of a ghost. */
  p.modelNode = (i) => (i < n ? i : ghosts.mentions[i - n][0]);
  /** What else stands for the same thing: other mentions, the ghost. */
  p.mates = (i) => (i < 0 || p.of[i] < 0 ? [] : [...p.of.keys()].filter((j) => j !== i && p.of[j] === p.of[i]));
  p.drawnOf = new Map(meta.node.map((node, i) => [node, i]));
  p.rowOf = new Int32Array(n);
  meta.order.forEach((i, row) => { p.rowOf[i] = row; });
  p.isSource = new Set(meta.source);
  p.isTarget = new Set(meta.target);

  /** Index of a reading by name; the first where this payload has none of that name. */
  p.readingIndex = (name) => Math.max(0, meta.readings.findIndex((r) => r.name === name));
  /** A reading in [0, 1] at a step and node; NaN where there is none. */
  p.value = (r, t, i) => {
    if (i >= n) {
      const all = ghosts.mentions[i - n].map((j) => p.value(r, t, j)).filter((v) => !Number.isNaN(v));
      return all.length ? all.reduce((a, b) => a + b) / all.length : NaN;
    }
    const q = p.readings[(r * rows + t) * n + i];
    return q === 255 ? NaN : q / 254;
  };
  /** The same at a fractional step, between its two neighbours. */
  p.valueBetween = (r, t, i) => {
    const a = Math.floor(t), f = t - a;
    const v = p.value(r, a, i);
    return f < 1e-6 ? v : v + (p.value(r, Math.min(a + 1, p.steps), i) - v) * f;
  };
  p.truth = (t, i) => { const o = p.oracle[t * n + p.modelNode(i)]; return { value: o & 1, known: (o & 2) > 0, has: (o & 4) > 0 }; };
  /** Whether a belief contradicts what the oracle knows by then. */
  p.isWrong = (r, t, i) => {
    const { belief } = meta.readings[r];
    if (!belief) return false;
    if (p.grouped) return p.wrong[(r * rows + t) * n + i] > 127; // at more than half of its nodes
    const truth = p.truth(t, i), v = p.value(r, t, i);
    return truth.has && truth.known && !Number.isNaN(v) && v > 0.5 !== (belief === "the truth" || truth.value === 1);
  };

  /** Attention into step t (0 has none): arrays from, to, weight (0..1), head, edge (-1 where along no edge). */
  p.flows = (t, head) => {
    const out = { from: [], to: [], weight: [], head: [], edge: [] };
    if (t < 1 || !p.heads) return out;
    const push = (from, to, weight, h, edge) => {
      out.from.push(from); out.to.push(to); out.weight.push(weight / 255); out.head.push(h); out.edge.push(edge);
    };
    if (p.attention) {
      const E = p.nEdges, base = (t - 1) * p.heads * E;
      for (let e = 0; e < E; e++) {
        if (p.edgeKind[e] & 4) continue;
        let best = 0, at = 0;
        if (head >= 0 && head < p.heads) { best = p.attention[base + head * E + e]; at = head; }
        else for (let h = 0; h < p.heads; h++) {
          const w = p.attention[base + h * E + e];
          if (w > best) { best = w; at = h; }
        }
        if (best > 2) push(p.edges[e], p.edges[E + e], best, at, e);
      }
    } else if (p.flowStart) {
      for (let k = p.flowStart[t - 1]; k < p.flowStart[t]; k++) {
        const h = p.flowHead[k];
        if (head >= 0 && head < p.heads && h !== head) continue;
        push(p.flowFrom[k], p.flowTo[k], p.flowWeight[k], h, -1);
      }
    }
    return out;
  };

  /** A label fit for one line: cut, and a stand-in for an empty one. Always drawn as text. */
  p.label = (i, longest = 18) => oneLine(p.labels[i], longest);
  /** The same with the whole subformula where the label is but its operator. */
  p.name = (i, longest = 18) => oneLine(meta.names?.[i] || p.labels[i], longest);
  /** What the oracle says of a node at a step, in words. */
  p.verdict = (step, i) => {
    const truth = p.truth(step, i), front = meta.front[i], comes = front >= 0 && front <= p.steps;
    if (!truth.has) return "nothing";
    if (p.isGroup(i)) return `${percent(p.share(step, i))} reached by step ${step}`;
    if (meta.spreads) {
      if (truth.known && truth.value) return `reached at step ${front}`;
      if (!truth.known) return "not decidable yet";
      return meta.hops?.[i] < 0 ? "never reached" : `not reached before step ${front}`;
    }
    const word = meta.meanings?.[i] ?? meta.legend[truth.value ? 0 : 1];
    if (truth.known) return front > 0 ? `${word}, since step ${front}` : word;
    if (front < 0) return meta.legend[3];
    const open = meta.legend[2].replace(/ yet$/, "");
    return comes ? `${open} before step ${front}` : `${open} within ${p.steps} steps`;
  };
  return p;
}

function oneLine(text, longest) {
  const flat = text.slice(0, 400).replace(/\s+/g, " ").trim() || "(no name)";
  return flat.length > longest ? shortened(flat, longest - 1) : flat;
}
