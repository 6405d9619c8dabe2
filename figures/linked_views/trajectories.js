// Trajectories: every node's state in the principal components shared by all steps; 2D, or 3D that turns.

const TRAIL = 7; // steps

class Trajectories {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.solid = false;
    this.yaw = 0.6;
    this.pitch = 0.45;
  }

  fit(p, theme) {
    this.p = p;
    this.theme = theme;
    this.surface.fit();
    const [low, high] = p.meta.extent; // of all runs that share the basis
    this.middle = low.map((v, k) => (v + high[k]) / 2);
    this.span = low.map((v, k) => Math.max(1e-9, high[k] - v));
    const { width, height } = this.surface, room = [width - 104, height - 52]; // labels stay clear of the axes
    if (this.solid) {
      // As in two dimensions, the smaller components are drawn a little larger than they are.
      this.stretch = this.span.map((v) => Math.max(1, Math.min(2.6, (0.6 * this.span[0]) / v)));
      const size = this.span.map((v, k) => v * this.stretch[k]);
      const wide = Math.hypot(size[0], size[2]); // the widest it gets while it turns
      const scale = Math.min((room[0] - 40) / wide, room[1] / Math.hypot(size[1], 0.4 * wide));
      this.scale = [scale, scale];
    } else {
      // One unit is as long on both axes, unless that would press the second into a line.
      const scale = Math.min(room[0] / this.span[0], room[1] / this.span[1]);
      this.scale = [Math.min(room[0] / this.span[0], scale * 2.6), Math.min(room[1] / this.span[1], scale * 2.6)];
    }
    this.buffer = new Float32Array(p.n * 2);
    this.ground = this.solid ? null : this.surface.layer((ctx) => this.drawGround(ctx));
  }

  /** Where the states of all nodes go over the whole run, faint, so that the map stays when the states have settled. */
  drawGround(ctx) {
    const { p, theme } = this, spot = new Float32Array(2), path = newPath(), every = Math.ceil(p.n / 250);
    for (let i = 0; i < p.n; i += every) {
      for (let t = 0; t <= p.steps; t++) {
        this.at(t, i, spot, 0);
        if (t === 0) path.moveTo(spot[0], spot[1]);
        else path.lineTo(spot[0], spot[1]);
      }
    }
    ctx.lineJoin = "round";
    ctx.lineWidth = 1;
    ctx.strokeStyle = css(theme.ink, Math.max(0.035, Math.min(0.14, 1.6 / p.n)));
    ctx.stroke(path);
  }

  project(x, y, z, out, k) {
    x -= this.middle[0]; y -= this.middle[1]; z -= this.middle[2];
    if (this.solid) {
      x *= this.stretch[0]; y *= this.stretch[1]; z *= this.stretch[2];
      const cy = Math.cos(this.yaw), sy = Math.sin(this.yaw), cp = Math.cos(this.pitch), sp = Math.sin(this.pitch);
      const u = x * cy + z * sy, w = z * cy - x * sy;
      x = u; y = y * cp + w * sp;
    }
    out[k] = this.surface.width / 2 + 8 + x * this.scale[0];
    out[k + 1] = this.surface.height / 2 - y * this.scale[1];
  }

  at(t, i, out, k) {
    const { p } = this, a = Math.max(0, Math.min(p.steps, Math.floor(t))), b = Math.min(p.steps, a + 1), f = t - a;
    const s = p.states, ia = (a * p.n + i) * 3, ib = (b * p.n + i) * 3;
    this.project(s[ia] + (s[ib] - s[ia]) * f, s[ia + 1] + (s[ib + 1] - s[ia + 1]) * f, s[ia + 2] + (s[ib + 2] - s[ia + 2]) * f, out, k);
  }

  draw(f) {
    const { p, theme } = this, ctx = this.surface.clear(), n = p.n;
    this.drawAxes(ctx);
    if (this.ground) this.surface.paste(this.ground, f.focus >= 0 ? 0.6 : 1);
    const r = n <= 40 ? 5.5 : n <= 220 ? 3.6 : 2.4;
    const head = this.buffer, before = new Float32Array(2 * n), spot = new Float32Array(2);
    for (let i = 0; i < n; i++) this.at(f.t, i, head, 2 * i);
    before.set(head);
    ctx.lineCap = "round";
    const first = Math.ceil(f.t) - 1;
    for (let k = 0; k < TRAIL && first - k >= 0; k++) {
      const path = newPath();
      for (let i = 0; i < n; i++) {
        path.moveTo(before[2 * i], before[2 * i + 1]);
        this.at(first - k, i, before, 2 * i);
        path.lineTo(before[2 * i], before[2 * i + 1]);
      }
      ctx.strokeStyle = css(theme.ink, (n > 100 ? 0.24 : 0.42) * (1 - k / TRAIL) * (f.focus >= 0 ? 0.5 : 1));
      ctx.lineWidth = 1.3;
      ctx.stroke(path);
    }
    if (f.focus >= 0) this.drawPath(ctx, f, spot);
    const order = n > 40 ? this.byValue(f) : [...head.keys()].slice(0, n);
    ctx.lineWidth = 0.9;
    ctx.strokeStyle = css(theme.dark ? theme.page : theme.ink, theme.dark ? 0.7 : 0.35);
    for (const i of order) {
      const value = p.valueBetween(f.reading, f.t, i);
      ctx.fillStyle = Number.isNaN(value) ? theme.empty : theme.rampCss[shade(value)];
      ctx.beginPath();
      ctx.arc(head[2 * i], head[2 * i + 1], r, 0, 7);
      ctx.fill();
      ctx.stroke();
    }
    for (const [i, colour] of [[f.focus, theme.ink], [f.node, theme.accent]]) {
      if (i < 0) continue;
      ctx.beginPath();
      ctx.arc(head[2 * i], head[2 * i + 1], r + 3, 0, 7);
      ctx.lineWidth = 2;
      ctx.strokeStyle = css(colour);
      ctx.stroke();
      pill(ctx, theme, p.label(i, 20), head[2 * i], head[2 * i + 1] - r - 13, { ink: colour, limit: this.surface.width });
    }
    const tag = (i, text) => { if (i !== f.focus && i !== f.node) pill(ctx, theme, text, head[2 * i], head[2 * i + 1] - r - 8, { size: 9.5, limit: this.surface.width }); };
    for (const i of p.isSource) tag(i, `◆ ${p.meta.roles[0]}`);
    for (const i of p.isTarget) tag(i, `◎ ${p.meta.roles[1]}`);
    if (!p.isSource.size && !p.isTarget.size) tag(p.meta.answer_node, "answer");
  }

  /** Nodes with the stronger reading on top. */
  byValue(f) {
    const { p } = this, value = (i) => { const v = p.value(f.reading, f.step, i); return Number.isNaN(v) ? -1 : v; };
    return [...Array(p.n).keys()].sort((a, b) => value(a) - value(b));
  }

  drawAxes(ctx) {
    const { p, theme } = this, { width, height } = this.surface;
    const share = p.meta.explained, o = new Float32Array(2), e = new Float32Array(2), m = this.middle;
    ctx.strokeStyle = css(theme.ink, 0.13);
    ctx.lineWidth = 1;
    ctx.font = CSS_FONT(theme, 11, 500);
    ctx.fillStyle = css(theme.soft);
    if (!this.solid) {
      ctx.beginPath();
      ctx.moveTo(22.5, 0); ctx.lineTo(22.5, height - 20.5); ctx.lineTo(width, height - 20.5);
      ctx.stroke();
      ctx.textAlign = "right";
      ctx.textBaseline = "bottom";
      ctx.fillText(`PC1 (${percent(share[0])})`, width - 2, height - 3);
      ctx.save();
      ctx.translate(16, 2);
      ctx.rotate(-Math.PI / 2);
      ctx.fillText(`PC2 (${percent(share[1])})`, 0, 0);
      ctx.restore();
      return;
    }
    for (let k = 0; k < 3; k++) {
      const a = [...m], b = [...m];
      a[k] -= this.span[k] / 2; b[k] += this.span[k] / 2;
      this.project(...a, o, 0); this.project(...b, e, 0);
      ctx.beginPath(); ctx.moveTo(o[0], o[1]); ctx.lineTo(e[0], e[1]); ctx.stroke();
      ctx.textAlign = e[0] > width - 60 ? "right" : "left";
      ctx.textBaseline = "middle";
      ctx.fillText(`PC${k + 1} (${percent(share[k])})`, e[0] + (e[0] > width - 60 ? -4 : 4), Math.max(8, Math.min(height - 8, e[1])));
    }
  }

  /** Full path of a node: solid up to now, dotted from here on, a bead a step. */
  drawPath(ctx, f, spot) {
    const { p, theme } = this, colour = f.focus === f.node ? theme.accent : theme.ink;
    const past = newPath(), future = newPath(), beads = newPath();
    for (let t = 0; t <= p.steps; t++) {
      this.at(t, f.focus, spot, 0);
      if (t === 0) past.moveTo(spot[0], spot[1]);
      else if (t <= f.t) past.lineTo(spot[0], spot[1]);
      if (t <= f.t && p.steps <= 80) { beads.moveTo(spot[0] + 1.7, spot[1]); beads.arc(spot[0], spot[1], 1.7, 0, 7); }
    }
    this.at(f.t, f.focus, spot, 0);
    past.lineTo(spot[0], spot[1]);
    future.moveTo(spot[0], spot[1]);
    for (let t = Math.floor(f.t) + 1; t <= p.steps; t++) { this.at(t, f.focus, spot, 0); future.lineTo(spot[0], spot[1]); }
    ctx.lineJoin = "round";
    ctx.strokeStyle = css(colour, 0.5);
    ctx.lineWidth = 1.2;
    ctx.setLineDash([2, 3]);
    ctx.stroke(future);
    ctx.setLineDash([]);
    ctx.strokeStyle = css(colour, 0.95);
    ctx.lineWidth = 2;
    ctx.stroke(past);
    ctx.fillStyle = css(colour);
    ctx.fill(beads);
  }

  hit(x, y) {
    let best = -1, near = 11 ** 2;
    for (let i = 0; i < this.p.n; i++) {
      const d = (this.buffer[2 * i] - x) ** 2 + (this.buffer[2 * i + 1] - y) ** 2;
      if (d < near) { near = d; best = i; }
    }
    return { node: best };
  }
}
