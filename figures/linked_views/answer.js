// Answer: the probability of the answer 1 over steps, when it could be known, when the model commits, what was trained.

class Answer {
  constructor(canvas) { this.surface = new Surface(canvas); }

  fit(p, theme) {
    this.p = p;
    this.theme = theme;
    this.surface.fit();
    this.axis = timeAxis(this.surface.width, p.steps);
    this.top = 24;
    this.bottom = Math.max(this.top + 20, this.surface.height - 20);
    this.y = (v) => this.bottom - v * (this.bottom - this.top);
    this.ground = this.surface.layer((ctx) => this.drawGround(ctx));
  }

  drawGround(ctx) {
    const { p, theme, axis, top, bottom, y } = this, m = p.meta;
    if (m.trained) {
      const a = axis.start(Math.max(0, Math.min(m.trained[0], p.steps + 1))), b = axis.start(Math.min(m.trained[1] + 1, p.steps + 1));
      ctx.fillStyle = css(theme.ink, 0.055);
      ctx.fillRect(a, top, b - a, bottom - top);
      ctx.font = CSS_FONT(theme, 10, 500);
      ctx.fillStyle = css(theme.soft);
      ctx.textAlign = "left";
      ctx.textBaseline = "top";
      ctx.fillText(cut(ctx, m.trained[0] === m.trained[1] ? `trained: ${m.trained[0]} steps` : `trained: ${m.trained[0]} to ${m.trained[1]} steps`, axis.right - a - 6), a + 5, y(0.5) + 5);
    }
    ctx.lineWidth = 1;
    for (const v of [0, 0.5, 1]) {
      ctx.strokeStyle = css(theme.ink, v === 0.5 ? 0.38 : 0.14);
      ctx.setLineDash(v === 0.5 ? [4, 4] : []);
      ctx.beginPath();
      ctx.moveTo(axis.left, y(v)); ctx.lineTo(axis.right, y(v));
      ctx.stroke();
    }
    ctx.setLineDash([]);
    ctx.font = CSS_FONT(theme, 10.5, 500);
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    for (const [v, word] of [[1, m.words[0]], [0.5, "0.5"], [0, m.words[1]]]) {
      const right = m.label !== null && v === m.label;
      ctx.font = CSS_FONT(theme, 10.5, right ? 650 : 500);
      ctx.fillStyle = css(right ? theme.ink : theme.soft);
      ctx.fillText(cut(ctx, word, TIME_LEFT - 8), axis.left - 7, y(v));
      if (right) {
        ctx.font = CSS_FONT(theme, 9.5, 500);
        ctx.fillText("✓ label", axis.left - 7, y(v) + (v ? 12 : -12));
      }
    }
    drawSteps(ctx, theme, axis, p.steps, bottom + 6);
    this.drawTicks(ctx);
  }

  /** First decidable and commitment step: a line each, labels beside each other or in two lines. */
  drawTicks(ctx) {
    const { p, theme, axis, top, bottom } = this, m = p.meta;
    const ticks = [];
    const decidable = m.first_decidable !== null && m.first_decidable <= p.steps;
    if (decidable && m.first_decidable === m.commitment) ticks.push([m.commitment, `decidable and committed: ${m.commitment}`, []]);
    else {
      if (decidable) ticks.push([m.first_decidable, `decidable: ${m.first_decidable}`, [2, 3]]);
      ticks.push([m.commitment, `committed: ${m.commitment}`, []]);
    }
    ctx.font = CSS_FONT(theme, 10.5, 600);
    const boxes = ticks.map(([t, text]) => {
      const half = ctx.measureText(text).width / 2 + 2, x = axis.middle(t);
      return { half, x: Math.max(axis.left + half, Math.min(axis.right - half, x)) };
    });
    if (boxes.length === 2) {
      const [a, b] = boxes;
      const [l, r] = a.x < b.x || (a.x === b.x) ? [a, b] : [b, a];
      const overlap = l.x + l.half + 8 - (r.x - r.half);
      if (overlap > 0) {
        l.x -= overlap / 2; r.x += overlap / 2;
        const over = Math.max(0, r.x + r.half - axis.right), under = Math.max(0, axis.left - (l.x - l.half));
        l.x += under - over; r.x += under - over;
      }
    }
    ticks.forEach(([t, text, dash], k) => {
      ctx.strokeStyle = css(theme.ink, 0.75);
      ctx.lineWidth = 1.3;
      ctx.setLineDash(dash);
      ctx.beginPath();
      const x = axis.middle(t);
      ctx.moveTo(x, bottom); ctx.lineTo(x, top - 2); ctx.lineTo(boxes[k].x, top - 8);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.fillStyle = css(theme.ink);
      ctx.textAlign = "center";
      ctx.textBaseline = "bottom";
      ctx.fillText(text, boxes[k].x, top - 9);
    });
  }

  draw(f) {
    const { p, theme, axis, y } = this, ctx = this.surface.clear();
    this.surface.paste(this.ground);
    if (f.focus >= 0) this.drawNode(ctx, f);
    const line = (from, to, close) => {
      const path = newPath();
      for (let t = from; t <= to; t++) path[t === from ? "moveTo" : "lineTo"](axis.middle(t), y(p.probability[t]));
      if (close) path.lineTo(close[0], close[1]);
      return path;
    };
    const a = Math.floor(f.t), g = f.t - a;
    const here = p.probability[a] + (p.probability[Math.min(a + 1, p.steps)] - p.probability[a]) * g;
    const spot = [axis.middle(f.t), y(here)];
    ctx.lineJoin = "round";
    ctx.lineCap = "round";
    ctx.strokeStyle = css(theme.ink, 0.28);
    ctx.lineWidth = 1.4;
    ctx.stroke(line(a, p.steps));
    ctx.strokeStyle = css(theme.ink);
    ctx.lineWidth = 2.2;
    ctx.stroke(line(0, a, spot));
    if (axis.cell > 7) {
      for (let t = 0; t <= p.steps; t++) {
        ctx.fillStyle = css(theme.ink, t <= f.t ? 1 : 0.35);
        ctx.beginPath();
        ctx.arc(axis.middle(t), y(p.probability[t]), t <= f.t ? 2.6 : 2, 0, 7);
        ctx.fill();
      }
    }
    if (f.hoverStep !== null && f.hoverStep <= p.steps) {
      ctx.strokeStyle = css(theme.ink, 0.4);
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.moveTo(axis.middle(f.hoverStep), this.top); ctx.lineTo(axis.middle(f.hoverStep), this.bottom);
      ctx.stroke();
    }
    ctx.strokeStyle = css(theme.accent, 0.9);
    ctx.lineWidth = 1.4;
    ctx.beginPath();
    ctx.moveTo(spot[0], this.top); ctx.lineTo(spot[0], this.bottom);
    ctx.stroke();
    ctx.fillStyle = css(theme.accent);
    ctx.strokeStyle = css(theme.card);
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(spot[0], spot[1], 5, 0, 7);
    ctx.fill();
    ctx.stroke();
    const said = p.probability[f.mix < 0.6 ? f.from : f.step], aside = spot[0] > axis.right - 60 ? -24 : 24;
    pill(ctx, theme, two(said), spot[0] + aside, spot[1] + (here > 0.5 ? 15 : -15), { ink: theme.ink, size: 11.5 });
  }

  /** The reading of the node in focus, as a thin second line. */
  drawNode(ctx, f) {
    const { p, theme, axis, y } = this, path = newPath();
    let open = false;
    for (let t = 0; t <= p.steps; t++) {
      const v = p.value(f.reading, t, f.focus);
      if (Number.isNaN(v)) { open = false; continue; }
      path[open ? "lineTo" : "moveTo"](axis.middle(t), y(v));
      open = true;
    }
    ctx.strokeStyle = css(f.focus === f.node ? theme.accent : theme.soft, 0.75);
    ctx.lineWidth = 1.4;
    ctx.setLineDash([5, 3]);
    ctx.stroke(path);
    ctx.setLineDash([]);
  }

  hit(x) { return { step: x < this.axis.left - 4 || x > this.axis.right + 4 ? null : this.axis.step(x) }; }
}
