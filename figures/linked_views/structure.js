// Structure: the instance in its layout. Fill = reading (belief), ring = oracle (truth), lines = attention into the
// step, dots on them = what is being sent.

const MAX_MESSAGES = 260;

const STRONG = 0.3; // least weight drawn with full attention, unless a node is chosen

class Structure {
  constructor(canvas) { this.surface = new Surface(canvas); this.lines = null; this.moved = new Map(); this.grabbed = null; }

  fit(p, theme) {
    if (this.p?.meta.id !== p.meta.id) this.moved.clear();
    this.p = p;
    this.theme = theme;
    this.surface.fit();
    this.place();
    this.ground = this.surface.layer((ctx) => this.drawGround(ctx));
    this.words = p.meta.lines.length ? this.surface.layer((ctx) => drawPlainWords(ctx, this)) : null;
    this.lines = null;
  }

  place() {
    const { p } = this, { width, height } = this.surface, total = p.total;
    Object.assign(this, { x: new Float32Array(total), y: new Float32Array(total), half: new Float32Array(total), r: new Float32Array(total) });
    this.free = [...Array(total).keys()].filter((i) => p.lineOf[i] < 0); // nodes that are not words in lines
    const lines = p.meta.lines.length > 0, share = lines ? (this.free.length ? 0.56 : 0) : 1;
    if (this.free.length) this.placeFree(height * share);
    if (lines) {
      const top = share ? height * share + 6 : 8;
      this.type = setLines(this.surface.ctx, this.theme, p, { x: 10, y: top, width: width - 20, height: height - top - 8 }, this);
      this.radius = this.free.length ? this.radius : this.r[p.meta.lines[0][0]];
    }
    for (const [i, [u, v]] of this.moved) { this.x[i] = u * width; this.y[i] = v * height; }
    this.bend();
  }

  bend() {
    const { p } = this, E = p.nEdges;
    this.curves = Array.from({ length: E }, (_, e) => this.curve(p.edges[e], p.edges[E + e], p.meta.layout === "tree" ? 0 : 0.09));
  }

  /** Takes hold of a node to drag it; whether it can be moved. A graph's nodes can. */
  grab(node, x, y) {
    const { p } = this, at = node < 0 ? -1 : [...this.free].find((i) => p.modelNode(i) === node) ?? -1;
    this.grabbed = p.meta.layout === "layered" && at >= 0 ? { i: at, x, y, far: false } : null;
    return this.grabbed !== null;
  }

  /** Drags what is held; whether it moved. */
  move(x, y) {
    const held = this.grabbed, { width, height } = this.surface;
    if (!held || (!held.far && Math.hypot(x - held.x, y - held.y) < 5)) return false;
    held.far = true;
    const r = this.radius + 4, inside = (v, most) => Math.max(r, Math.min(most - r, v));
    this.moved.set(held.i, [inside(x, width) / width, inside(y, height) / height]);
    [this.x[held.i], this.y[held.i]] = [inside(x, width), inside(y, height)];
    this.bend();
    this.ground = this.surface.layer((ctx) => this.drawGround(ctx));
    this.lines = null;
    return true;
  }

  release() { const far = this.grabbed?.far ?? false; this.grabbed = null; return far; }

  /** Nodes that stand by their own, in the upper part of the surface. */
  placeFree(height) {
    const { p, free } = this, { width } = this.surface, few = free.length <= 60;
    const side = few ? 30 : 20, top = few ? 34 : 30, bottom = few ? 36 : 26;
    let x0 = Infinity, x1 = -Infinity, y0 = Infinity, y1 = -Infinity;
    for (const i of free) {
      x0 = Math.min(x0, p.xy[2 * i]); x1 = Math.max(x1, p.xy[2 * i]);
      y0 = Math.min(y0, p.xy[2 * i + 1]); y1 = Math.max(y1, p.xy[2 * i + 1]);
    }
    const fit = (room, span, most) => (span > 0 ? Math.min(most, room / span) : 1);
    const sx = fit(width - 2 * side, x1 - x0, 130), sy = fit(height - top - bottom, y1 - y0, 120);
    const ox = width / 2 - (sx * (x0 + x1)) / 2, oy = top + (height - top - bottom) / 2 - (sy * (y0 + y1)) / 2;
    for (const i of free) { this.x[i] = ox + sx * p.xy[2 * i]; this.y[i] = oy + sy * p.xy[2 * i + 1]; }
    let nearest = Infinity, apart = Infinity; // between any two nodes; between two that carry a concept
    const order = [...free].sort((a, b) => this.x[a] - this.x[b]);
    for (let a = 0; a < order.length; a++) {
      for (let b = a + 1; b < order.length; b++) {
        const dx = this.x[order[b]] - this.x[order[a]];
        if (dx > apart) break;
        const dy = Math.abs(this.y[order[b]] - this.y[order[a]]), d = Math.hypot(dx, dy);
        if (d < 0.01) continue;
        nearest = Math.min(nearest, d);
        if (p.truth(0, order[a]).has && p.truth(0, order[b]).has) apart = Math.min(apart, d);
      }
    }
    this.radius = Math.max(1.6, Math.min(15, 0.33 * apart, 0.44 * nearest));
    this.labelRoom = 120; // width of a label under a node that does not meet its neighbour's
    for (let a = 0; few && a < free.length; a++) for (let b = 0; b < a; b++) {
      const dx = Math.abs(this.x[free[a]] - this.x[free[b]]), dy = Math.abs(this.y[free[a]] - this.y[free[b]]);
      if (dy < 12) this.labelRoom = Math.min(this.labelRoom, dx - 4);
    }
    for (const i of free) this.half[i] = this.r[i] = this.radius;
    if (p.grouped) {
      this.radius = Math.min(7, this.radius);
      for (const i of free) this.half[i] = this.r[i] = this.radius;
      this.sizeGroups();
    }
  }

  /** Groups as large as the square root of what they hold, as far as their neighbours leave room. */
  sizeGroups() {
    const { p, free, x, y } = this, { width } = this.surface;
    this.rooms = new Map(); // width of a label under a group that meets nothing beside it
    for (const i of free) {
      if (!p.isGroup(i)) continue;
      let near = 2 * Math.min(x[i], width - x[i]) - 10, room = 120;
      for (const j of free) {
        if (j === i) continue;
        near = Math.min(near, Math.hypot(x[i] - x[j], y[i] - y[j]) - (p.isGroup(j) ? 0 : this.radius));
        if (Math.abs(y[i] - y[j]) < 30) room = Math.min(room, Math.abs(x[i] - x[j]) - 4);
      }
      this.rooms.set(i, room);
      this.r[i] = this.half[i] = Math.max(3, Math.min(0.42 * near, 34) * (0.3 + 0.7 * p.size[i]));
    }
  }

  /** Quadratic curve between two nodes, ended at their rings: x0 y0 cx cy x1 y1. */
  curve(a, b, bend) {
    const { p, x, y } = this, dx = x[b] - x[a], dy = y[b] - y[a];
    if (p.lineOf[a] >= 0 && p.lineOf[a] === p.lineOf[b]) { // along a line: over it to the right, under it to the left
      const side = dx > 0 ? -1 : 1, most = p.meta.lines.length > 1 ? 16 : 150, rise = Math.min(most, (most / 115) * Math.abs(dx));
      return [x[a], y[a] + side * this.r[a], (x[a] + x[b]) / 2, y[a] + side * (this.r[a] + 4 + rise), x[b], y[b] + side * this.r[b]];
    }
    const length = Math.hypot(dx, dy) || 1;
    if (dx < -1) bend *= 2.4; // a way back bows out, so that it does not hide on the way there
    const far = Math.min(bend * length, 46);
    const cx = (x[a] + x[b]) / 2 + (dy / length) * far, cy = (y[a] + y[b]) / 2 - (dx / length) * far;
    const ended = (i) => {
      const l = Math.hypot(cx - x[i], cy - y[i]) || 1, ux = (cx - x[i]) / l, uy = (cy - y[i]) / l, r = this.r[i];
      const edge = p.lineOf[i] >= 0 ? Math.min(this.half[i] / Math.abs(ux), r / Math.abs(uy)) : r;
      const room = Math.min(edge + (p.lineOf[i] >= 0 ? 1.5 : r > 6 ? 4 : 1.5), length * 0.4);
      return [x[i] + ux * room, y[i] + uy * room];
    };
    return [...ended(a), cx, cy, ...ended(b)];
  }

  /** Adds the outline of a node, some pixels out, to a path: a circle, or a pill around a word. */
  outline(path, i, out = 0) {
    const x = this.x[i], y = this.y[i], r = this.r[i] + out, half = this.half[i] + out;
    if (this.p.lineOf[i] < 0) { path.moveTo(x + r, y); path.arc(x, y, r, 0, 7); }
    else path.roundRect(x - half, y - r, 2 * half, 2 * r, Math.min(r, 9));
  }

  drawGround(ctx) {
    const { p, theme } = this, { width, height } = this.surface;
    if (p.grouped) { this.drawGroupLines(ctx); return; }
    const own = newPath(), decisive = newPath(), chain = newPath();
    const facts = newPath(), deciding = newPath();
    this.curves.forEach((c, e) => {
      const kind = p.edgeKind[e], line = p.lineOf[p.edges[e]];
      if (line >= 0 && line === p.lineOf[p.edges[p.nEdges + e]] && p.meta.lines.length > 1) { // a fact is its sentence
        if (kind & 2) this.band(kind & 1 ? deciding : facts, p.meta.lines[line]);
        return;
      }
      const path = kind & 4 ? chain : kind & 1 ? decisive : kind & 2 ? own : null;
      if (!path) return;
      path.moveTo(c[0], c[1]);
      path.quadraticCurveTo(c[2], c[3], c[4], c[5]);
    });
    ctx.fillStyle = css(theme.ink, 0.035);
    ctx.fill(facts);
    ctx.fillStyle = css(theme.ink, theme.dark ? 0.17 : 0.12);
    ctx.fill(deciding);
    if (p.meta.layout === "lines") {
      const question = newPath();
      this.band(question, p.meta.lines[0]);
      ctx.lineWidth = 1;
      ctx.strokeStyle = css(theme.ink, 0.3);
      ctx.stroke(question);
    }
    ctx.lineCap = "round";
    ctx.lineWidth = 1;
    ctx.strokeStyle = css(theme.ink, p.nEdges > 600 ? 0.06 : p.nEdges > 150 ? 0.1 : 0.16);
    ctx.stroke(own);
    ctx.strokeStyle = css(theme.ink, this.radius < 6 ? 0.11 : 0.16);
    ctx.lineWidth = Math.max(2.4, Math.min(p.meta.layout === "lines" ? 4 : 9, this.radius * 0.85));
    ctx.stroke(decisive);
    ctx.setLineDash([3, 5]);
    ctx.stroke(chain);
    ctx.setLineDash([]);
    if (p.meta.layered || p.meta.ghosts) this.drawLayers(ctx);
  }

  /** Lines between groups, as wide as the logarithm of how many edges they stand for. */
  drawGroupLines(ctx) {
    const { p, theme } = this, levels = new Map();
    this.curves.forEach((c, e) => {
      const id = `${p.edgeSize[e] >> 5}/${p.edgeKind[e] & 1}`;
      let path = levels.get(id);
      if (!path) levels.set(id, (path = newPath()));
      path.moveTo(c[0], c[1]);
      path.quadraticCurveTo(c[2], c[3], c[4], c[5]);
    });
    ctx.lineCap = "round";
    for (const [id, path] of levels) {
      const [level, decisive] = id.split("/").map(Number);
      ctx.lineWidth = 0.8 + level * 0.9;
      ctx.strokeStyle = css(theme.ink, (decisive ? 0.18 : 0.1) * (p.nEdges > 300 ? 0.6 : 1));
      ctx.stroke(path);
    }
    if (p.meta.layered) this.drawLayers(ctx);
  }

  /** Adds a group's ring to two paths: the share that the oracle has reached, clockwise from the top, and the rest. */
  shareRing(reached, rest, i, share) {
    const x = this.x[i], y = this.y[i], r = this.r[i] + this.gap(i), top = -Math.PI / 2, end = top + 2 * Math.PI * share;
    if (share > 0) { reached.moveTo(x, y - r); reached.arc(x, y, r, top, end); }
    if (share < 1) { rest.moveTo(x + r * Math.cos(end), y + r * Math.sin(end)); rest.arc(x, y, r, end, top + 2 * Math.PI); }
  }

  /** Adds the ground of a line of words to a path. */
  band(path, line) {
    const first = line[0], last = line.at(-1), r = this.r[first] + 2.5, x = this.x[first] - this.half[first] - 4;
    path.roundRect(x, this.y[first] - r, this.x[last] + this.half[last] + 4 - x, 2 * r, 6);
  }

  /** Hops over the columns of a graph that fits one row. */
  drawLayers(ctx) {
    const { p, theme } = this, { width } = this.surface, at = new Map();
    for (const i of this.free) {
      const h = p.hops[i], column = at.get(h) ?? { low: Infinity, high: -Infinity };
      at.set(h, { low: Math.min(column.low, this.x[i]), high: Math.max(column.high, this.x[i]) });
    }
    const columns = [...at].sort((a, b) => (a[0] < 0) - (b[0] < 0) || a[0] - b[0]);
    for (let k = 1; k < columns.length; k++) if (columns[k][1].low < columns[k - 1][1].high - 0.5) return; // serpentine
    ctx.font = CSS_FONT(theme, 10.5, 500);
    ctx.fillStyle = css(theme.soft);
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    let busy = -Infinity;
    const tight = columns.length > 1 && columns[1][1].low - columns[0][1].high < 44 && columns[0][1].low > 38;
    for (const [h, { low, high }] of columns) {
      const text = h < 0 ? "no path" : h === 0 && !tight ? "0 hops" : String(h), middle = (low + high) / 2;
      const half = ctx.measureText(text).width / 2;
      const x = Math.max(half, Math.min(width - half, middle));
      if (x - half < busy + 6) continue;
      ctx.fillText(text, x, 2);
      if (h === 0 && tight) { ctx.textAlign = "right"; ctx.fillText("hops", x - half - 4, 2); ctx.textAlign = "center"; }
      busy = x + half;
    }
  }

  /** Attention into a step, as one layer; kept until step, head or focus change. */
  attentionLayer(step, head, focus) {
    const key = `${step}/${head}/${focus}`;
    this.lines ??= new Map();
    if (this.lines.has(key)) return this.lines.get(key);
    if (this.lines.size > 3) this.lines.delete(this.lines.keys().next().value);
    const flows = this.p.flows(step, head);
    const entry = { flows, curves: [], layer: null };
    entry.layer = this.surface.layer((ctx) => this.drawFlows(ctx, flows, entry.curves, focus));
    entry.messages = [...flows.weight.keys()]
      .filter((k) => flows.weight[k] > (flows.edge[k] < 0 && focus < 0 ? STRONG : 0.06) && (focus < 0 || flows.from[k] === focus || flows.to[k] === focus))
      .sort((a, b) => this.weightOf(flows, b) - this.weightOf(flows, a))
      .slice(0, MAX_MESSAGES);
    this.lines.set(key, entry);
    return entry;
  }

  weightOf(flows, k) {
    return flows.weight[k] * (flows.edge[k] >= 0 && this.p.edgeKind[flows.edge[k]] & 1 ? 2 : 1);
  }

  drawFlows(ctx, flows, curves, focus) {
    const { p, theme } = this;
    const buckets = new Map(); // one path for each head and width, so that 2,000 lines are a few strokes
    const anyDecisive = p.edgeKind.some((kind) => kind & 1);
    const crowd = flows.weight.length > 500 ? 0.6 : flows.weight.length > 150 ? 0.8 : 1;
    const widest = Math.max(1.6, Math.min(5, this.radius * 0.55)) * crowd;
    for (let k = 0; k < flows.weight.length; k++) {
      const edge = flows.edge[k];
      const c = (curves[k] = edge >= 0 ? this.curves[edge] : this.curve(flows.from[k], flows.to[k], 0.2));
      if (edge < 0 && focus < 0 && flows.weight[k] < STRONG) continue; // with full attention the weak ones hide the rest
      const touches = focus < 0 || flows.from[k] === focus || flows.to[k] === focus;
      const decisive = edge >= 0 && (p.edgeKind[edge] & 1) > 0;
      const matters = focus >= 0 || (edge >= 0 ? decisive || !anyDecisive || p.meta.layout === "tree" : p.truth(0, flows.to[k]).has || flows.to[k] === p.meta.answer_node);
      if (edge < 0 && p.lineOf[flows.to[k]] >= 0 && !(matters && touches)) continue; // into a word that holds nothing
      const dim = !touches ? 0.1 : matters ? 1 : 0.36;
      const level = Math.max(1, Math.ceil(flows.weight[k] * 6));
      const id = `${flows.head[k]}/${level}/${dim}`;
      let bucket = buckets.get(id);
      if (!bucket) buckets.set(id, (bucket = { line: newPath(), tip: newPath(), head: flows.head[k], level, dim }));
      bucket.line.moveTo(c[0], c[1]);
      bucket.line.quadraticCurveTo(c[2], c[3], c[4], c[5]);
      const length = Math.hypot(c[4] - c[2], c[5] - c[3]) || 1; // half the line
      const size = Math.min(7, length * 0.75, 2 + widest * (0.5 + level / 6)) * (this.radius < 4 ? 0.7 : 1);
      const ux = (c[4] - c[2]) / length, uy = (c[5] - c[3]) / length;
      bucket.tip.moveTo(c[4] + ux * 1.5, c[5] + uy * 1.5);
      bucket.tip.lineTo(c[4] - ux * size - uy * size * 0.5, c[5] - uy * size + ux * size * 0.5);
      bucket.tip.lineTo(c[4] - ux * size + uy * size * 0.5, c[5] - uy * size - ux * size * 0.5);
      bucket.tip.closePath();
    }
    ctx.lineCap = "round";
    for (const { line, tip, head, level, dim } of [...buckets.values()].sort((a, b) => a.dim * a.level - b.dim * b.level)) {
      const colour = theme.heads[head % theme.heads.length];
      const share = level / 6;
      ctx.strokeStyle = css(colour, (0.12 + 0.66 * share) * dim * Math.sqrt(crowd));
      ctx.lineWidth = 0.6 + (widest - 0.6) * share;
      ctx.stroke(line);
      ctx.fillStyle = css(colour, (0.2 + 0.66 * share) * dim * Math.sqrt(crowd));
      ctx.fill(tip);
    }
  }

  draw(f) {
    const { p, theme } = this, s = this.surface, ctx = s.clear();
    s.paste(this.ground);
    const focus = f.focus;
    const now = this.attentionLayer(f.step, f.head, focus);
    if (f.mix < 1) {
      s.paste(this.attentionLayer(f.from, f.head, focus).layer, 1 - f.mix);
      s.paste(now.layer, f.mix);
      if (f.step === f.from + 1) this.drawMessages(ctx, f, now);
    } else s.paste(now.layer);
    this.drawNodes(ctx, f);
  }

  /** What each sender held before the step, on its way along the lines. */
  drawMessages(ctx, f, { flows, curves, messages }) {
    const { p, theme } = this;
    const r = Math.max(1.5, Math.min(4.5, this.radius * 0.34)), u = f.mix, v = 1 - u;
    ctx.lineWidth = 1;
    ctx.strokeStyle = css(theme.card, 0.9);
    for (const k of messages) {
      const value = p.value(f.reading, f.from, flows.from[k]);
      if (Number.isNaN(value)) continue;
      const c = curves[k];
      const x = v * v * c[0] + 2 * u * v * c[2] + u * u * c[4], y = v * v * c[1] + 2 * u * v * c[3] + u * u * c[5];
      ctx.globalAlpha = Math.min(1, 4 * u * v + 0.15) * Math.min(1, 0.35 + flows.weight[k]);
      ctx.fillStyle = theme.rampCss[shade(value)];
      ctx.beginPath();
      ctx.arc(x, y, r * (0.7 + 0.6 * Math.sqrt(flows.weight[k])), 0, 7);
      ctx.fill();
      if (r > 2.4) ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  drawNodes(ctx, f) {
    const { p, theme } = this, r = this.radius;
    const truthStep = f.mix < 0.6 ? f.from : f.step;
    const yes = newPath(), no = newPath(), open = newPath(), cross = newPath(), edge = newPath();
    for (let i = 0; i < p.total; i++) {
      const value = p.valueBetween(f.reading, f.t, i), truth = p.truth(truthStep, i), word = p.lineOf[i] >= 0;
      const dim = !truth.has && i !== p.meta.answer_node; // brackets and the like
      if (word && dim && Number.isNaN(value)) continue;
      const out = dim && !word ? -0.28 * r : 0, gap = this.gap(i);
      const shape = newPath();
      this.outline(shape, i, out);
      ctx.globalAlpha = dim ? 0.6 : 1;
      ctx.fillStyle = Number.isNaN(value) ? theme.empty : theme.rampCss[shade(value)];
      ctx.fill(shape);
      ctx.globalAlpha = 1;
      if (!word || !dim) edge.addPath(shape);
      if (p.isGroup(i)) this.shareRing(yes, truth.known ? no : open, i, p.share(truthStep, i));
      else if (truth.has) this.outline(truth.known && truth.value ? yes : truth.known ? no : open, i, gap);
      if (p.isWrong(f.reading, truthStep, i)) {
        const m = Math.max(2.2, this.r[i] * 0.32), turn = word ? 1 : 0.78;
        const cx = this.x[i] + (this.half[i] + gap) * turn, cy = this.y[i] - (this.r[i] + gap) * turn;
        cross.moveTo(cx - m, cy - m); cross.lineTo(cx + m, cy + m);
        cross.moveTo(cx + m, cy - m); cross.lineTo(cx - m, cy + m);
      }
    }
    ctx.lineWidth = 0.8;
    ctx.strokeStyle = css(theme.ink, 0.28);
    ctx.stroke(edge);
    ctx.strokeStyle = css(theme.ink, 0.92);
    ctx.lineWidth = r > 6 ? 2.2 : r > 3.4 ? 1.7 : 1.1;
    ctx.stroke(yes);
    ctx.lineWidth = 0.9;
    ctx.strokeStyle = css(theme.ink, 0.8);
    ctx.stroke(no);
    if (r > 2.4) {
      ctx.setLineDash([1.5, 2.6]);
      ctx.strokeStyle = css(theme.ink, 0.42);
      ctx.stroke(open);
      ctx.setLineDash([]);
    }
    ctx.lineCap = "round";
    ctx.lineWidth = 4.4;
    ctx.strokeStyle = css(theme.card);
    ctx.stroke(cross);
    ctx.lineWidth = r > 6 ? 2.2 : 1.6;
    ctx.strokeStyle = css(theme.wrong);
    ctx.stroke(cross);
    const chosen = f.focus >= 0 ? f.focus : f.node;
    for (const [i, colour, line] of [...p.mates(chosen).map((j) => [j, f.focus === f.node ? theme.accent : theme.ink, 1.3]), [f.focus, theme.ink, 1.6], [f.node, theme.accent, 2.6]]) {
      if (i < 0) continue;
      ctx.beginPath();
      this.outline(ctx, i, this.gap(i) + (p.lineOf[i] >= 0 ? 2 : r > 6 ? 4.5 : 3));
      ctx.lineWidth = line;
      ctx.strokeStyle = css(colour, line > 1.3 ? 1 : 0.75);
      ctx.stroke();
    }
    this.drawLabels(ctx, f, r, this.gap(this.free[0] ?? 0));
  }

  /** Room between a node and its ring. */
  gap(i) { return this.p.lineOf[i] >= 0 ? 0.5 : this.radius > 6 ? 3 : this.radius > 3.4 ? 2 : 1.2; }

  drawLabels(ctx, f, r, gap) {
    const { p, theme, free } = this, { width } = this.surface;
    if (p.meta.lines.length) {
      this.surface.paste(this.words);
      drawPills(ctx, this, f);
    }
    if (!free.length) return;
    const inside = !p.grouped && r >= 7 && this.fits(ctx, r);
    const ends = p.meta.ghosts ? { source: [p.ghostEnds[0]], target: [p.ghostEnds[1]] } : { source: [...p.isSource], target: [...p.isTarget] };
    const isEnd = new Set([...ends.source, ...ends.target]);
    ctx.textAlign = "center";
    if (!inside && r >= 4 && this.aslant()) this.drawAslant(ctx, f, r + gap, isEnd);
    else if (inside) {
      ctx.font = CSS_FONT(theme, inside, 600);
      ctx.textBaseline = "middle";
      for (const i of free) {
        const text = p.label(i, 12);
        if (ctx.measureText(text).width > 2 * r + 2) continue;
        const value = p.valueBetween(f.reading, f.t, i);
        ctx.fillStyle = Number.isNaN(value) ? css(theme.soft) : theme.rampInk[shade(value)];
        ctx.fillText(text, this.x[i], this.y[i] + 0.5);
      }
    } else if (p.grouped || (free.length <= 60 && r >= 4)) {
      ctx.font = CSS_FONT(theme, 9.5, 500);
      ctx.textBaseline = "top";
      ctx.fillStyle = css(theme.soft);
      for (const i of free) {
        if (isEnd.has(i) || i === f.node || i === f.focus) continue; // named beside the node
        if (p.grouped && (!p.isGroup(i) || ctx.measureText(p.label(i, 24)).width > this.rooms.get(i))) continue;
        const text = cut(ctx, p.label(i, 24), p.grouped ? this.rooms.get(i) : this.labelRoom), half = ctx.measureText(text).width / 2;
        ctx.fillText(text, Math.max(half + 1, Math.min(width - half - 1, this.x[i])), this.y[i] + this.r[i] + gap + 2);
      }
    }
    const say = (i, text, options) => {
      const [x, y] = this.freePlace(ctx, i, ctx.measureText(text).width * 1.15 + 8, this.r[i] + gap);
      pill(ctx, theme, text, x, y, { limit: width, ...options });
    };
    const strong = { ink: theme.ink, weight: 650 };
    const named = (word, i) => (inside && p.labels[i].length < 3 ? word : `${word} ${p.label(i, 14)}`);
    if (!p.isSource.size && !p.isTarget.size) say(p.meta.answer_node, "answer", strong);
    for (const i of ends.source) say(i, named(`◆ ${p.meta.roles[0]}`, i), strong);
    for (const i of ends.target) say(i, named(`◎ ${p.meta.roles[1]}`, i), strong);
    for (const i of new Set([f.node, f.focus])) {
      if (i < 0 || isEnd.has(i) || p.lineOf[i] >= 0 || (inside && p.labels[i].length < 3)) continue;
      say(i, p.name(i, 22), { ink: i === f.node ? theme.accent : theme.ink });
    }
  }

  /** Whether labels stand aslant: where nodes of a row are too close for them side by side, and nothing is below. */
  aslant() {
    const { x, y, free } = this;
    if (this.p.grouped || free.length > 60 || this.labelRoom >= 40) return false;
    const below = (i, j) => y[j] > y[i] + 10 && y[j] < y[i] + 54 && x[j] < x[i] + 10 && x[j] > x[i] - 66;
    return !free.some((i) => free.some((j) => below(i, j)));
  }

  /** Labels that end at their node and come up to it from below, on the left. */
  drawAslant(ctx, f, r, isEnd) {
    ctx.font = CSS_FONT(this.theme, 10.5, 500);
    ctx.fillStyle = css(this.theme.soft);
    ctx.textBaseline = "middle";
    for (const i of this.free) {
      if (isEnd.has(i) || i === f.node || i === f.focus) continue; // named beside the node
      ctx.save();
      ctx.translate(this.x[i] + 2, this.y[i] + r + 5);
      ctx.rotate(-0.7);
      ctx.textAlign = "right";
      ctx.fillText(cut(ctx, this.p.label(i, 24), Math.min(78, this.x[i] / 0.765)), 0, 0);
      ctx.restore();
    }
  }

  /** Size of type at which nine labels of ten fit their node; 0 if none does. */
  fits(ctx, r) {
    if (this.fitted?.r === r && this.fitted.p === this.p) return this.fitted.size;
    let size = 0;
    for (let s = Math.min(13, r * 0.95); s >= 7.5 && !size; s -= 0.75) {
      ctx.font = CSS_FONT(this.theme, s, 600);
      let n = 0;
      for (const i of this.free) n += ctx.measureText(this.p.label(i, 12)).width <= 2 * r;
      if (n >= 0.9 * this.free.length) size = s;
    }
    this.fitted = { r, p: this.p, size };
    return size;
  }

  /** Middle of a label beside a node that covers the fewest other nodes. */
  freePlace(ctx, i, w, r) {
    const { width, height } = this.surface, x = this.x[i], y = this.y[i], top = this.p.meta.layered || this.p.meta.ghosts ? 18 : 4;
    let best = null, least = Infinity;
    const places = [[x, y - r - 11], [x, y + r + 12], [x + r + w / 2 + 3, y], [x - r - w / 2 - 3, y], [x, y - r - 26], [x, y + r + 27]];
    for (const [k, [u, v]] of places.entries()) {
      const a = Math.max(w / 2 + 1, Math.min(width - w / 2 - 1, u));
      let cost = k * 0.4 + Math.abs(a - u) * 0.02 + (v - 8 < top || v + 8 > height ? 20 : 0);
      for (const j of this.free) {
        const dx = Math.max(0, Math.abs(this.x[j] - a) - w / 2), dy = Math.max(0, Math.abs(this.y[j] - v) - 7);
        if (dx * dx + dy * dy < r * r) cost += j === i ? 8 : 2;
      }
      if (cost < least) { least = cost; best = [a, v]; }
    }
    return best;
  }

  /** Node under a point, -1 for none; a ghost answers with its first mention. */
  hit(x, y) {
    let best = -1, near = Infinity;
    for (let i = 0; i < this.p.total; i++) {
      const dx = Math.max(0, Math.abs(this.x[i] - x) - this.half[i] + this.r[i]), dy = Math.abs(this.y[i] - y);
      const d = Math.hypot(dx, dy) - this.r[i];
      if (d < near && d < (this.p.lineOf[i] >= 0 ? 3 : Math.max(6, 9 - this.r[i]))) { near = d; best = i; }
    }
    return { node: best < 0 ? -1 : this.p.modelNode(best) };
  }
}
