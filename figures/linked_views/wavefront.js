// Wavefront: step x node as a heatmap, nodes in the order the oracle comes to know them, its front as a stair.

const TIME_LEFT = 76, TIME_RIGHT = 14;

/** The time axis that Wavefront and Answer share: steps as cells of equal width. */
function timeAxis(width, steps) {
  const cell = Math.max(0.5, (width - TIME_LEFT - TIME_RIGHT) / (steps + 1));
  return {
    cell, left: TIME_LEFT, right: TIME_LEFT + cell * (steps + 1),
    start: (t) => TIME_LEFT + t * cell,
    middle: (t) => TIME_LEFT + (t + 0.5) * cell,
    step: (x) => Math.max(0, Math.min(steps, Math.floor((x - TIME_LEFT) / cell))),
  };
}

function drawSteps(ctx, theme, axis, steps, y) {
  ctx.font = CSS_FONT(theme, 10.5, 500);
  ctx.fillStyle = css(theme.soft);
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const t of stepTicks(steps, axis.right - axis.left)) ctx.fillText(String(t), axis.middle(t), y);
  ctx.textAlign = "right";
  ctx.fillText("step", axis.left - 8, y);
}

class Wavefront {
  constructor(canvas) { this.surface = new Surface(canvas); }

  fit(p, theme) {
    this.p = p;
    this.theme = theme;
    this.surface.fit();
    const { width, height } = this.surface;
    this.axis = timeAxis(width, p.steps);
    this.top = 4;
    this.bottom = Math.max(this.top + 10, height - 18);
    // Tokens without a concept, such as brackets, come last in the order and have no row.
    this.count = p.meta.order.filter((i) => p.truth(0, i).has || i === p.meta.answer_node).length || p.n;
    this.row = Math.min(30, (this.bottom - this.top) / this.count);
    this.bottom = this.top + this.row * this.count;
    this.images = new Map();
    this.stair = this.stairPath();
    this.labels = this.surface.layer((ctx) => this.drawLabels(ctx));
  }

  image(reading) {
    if (this.images.has(reading)) return this.images.get(reading);
    const { p, theme } = this;
    const canvas = Object.assign(document.createElement("canvas"), { width: p.rows, height: this.count });
    const ctx = canvas.getContext("2d"), data = ctx.createImageData(p.rows, this.count);
    const none = blend(theme.page, theme.ink, 0.06);
    for (const i of p.meta.order.slice(0, this.count)) {
      for (let t = 0; t < p.rows; t++) {
        const value = p.value(reading, t, i);
        const colour = Number.isNaN(value) ? none : theme.ramp[shade(value)];
        data.data.set([colour[0], colour[1], colour[2], 255], 4 * (p.rowOf[i] * p.rows + t));
      }
    }
    ctx.putImageData(data, 0, 0);
    this.images.set(reading, canvas);
    return canvas;
  }

  stairPath() {
    const { p, axis } = this, path = newPath();
    let x = null;
    for (let row = 0; row < this.count; row++) {
      const front = p.meta.front[p.meta.order[row]];
      const has = p.truth(0, p.meta.order[row]).has;
      if (!has) { x = null; continue; }
      const at = front < 0 || front > p.steps ? axis.right : axis.start(front);
      const y = this.top + row * this.row;
      if (x === null) path.moveTo(at, y); else path.lineTo(at, y);
      path.lineTo(at, y + this.row);
      x = at;
    }
    return path;
  }

  drawLabels(ctx) {
    const { p, theme } = this;
    drawSteps(ctx, theme, this.axis, p.steps, this.bottom + 4);
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    const every = Math.max(1, Math.ceil(11 / this.row));
    const mark = (i) => (p.isSource.has(i) ? "◆ " : p.isTarget.has(i) ? "◎ " : "");
    const always = new Set([...p.isSource, ...p.isTarget].map((i) => p.rowOf[i]));
    for (let row = 0; row < this.count; row++) {
      const near = every > 1 && [...always].some((r) => r !== row && Math.abs(r - row) < every);
      if (!always.has(row) && (row % every || near)) continue;
      const i = p.meta.order[row];
      ctx.font = CSS_FONT(theme, Math.min(11, Math.max(9, this.row * 0.8)), always.has(row) ? 650 : 450);
      ctx.fillStyle = css(always.has(row) ? theme.ink : theme.soft);
      const sign = mark(i), room = TIME_LEFT - 12 - ctx.measureText(sign).width;
      ctx.fillText(sign + cut(ctx, p.isGroup(i) ? p.label(i, 24) : p.name(i, 16), room), TIME_LEFT - 7, this.top + (row + 0.5) * this.row);
    }
  }

  draw(f) {
    const { p, theme, axis, top, bottom } = this, ctx = this.surface.clear();
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(this.image(f.reading), axis.left, top, axis.right - axis.left, bottom - top);
    ctx.imageSmoothingEnabled = true;
    if (axis.cell > 9 && this.row > 9) { // a hair between cells where there is room
      ctx.strokeStyle = css(theme.card, 0.55);
      ctx.lineWidth = 1;
      ctx.beginPath();
      for (let t = 1; t < p.rows; t++) { ctx.moveTo(axis.start(t), top); ctx.lineTo(axis.start(t), bottom); }
      for (let k = 1; k < this.count; k++) { ctx.moveTo(axis.left, top + k * this.row); ctx.lineTo(axis.right, top + k * this.row); }
      ctx.stroke();
    }
    const now = axis.start(f.t + 1);
    if (now < axis.right) {
      ctx.fillStyle = css(theme.card, theme.dark ? 0.85 : 0.78);
      ctx.fillRect(now, top, axis.right - now, bottom - top);
    }
    ctx.lineJoin = "miter";
    ctx.lineWidth = 4;
    ctx.strokeStyle = css(theme.page, 0.75);
    ctx.stroke(this.stair);
    ctx.lineWidth = 1.8;
    ctx.strokeStyle = css(theme.ink);
    ctx.stroke(this.stair);
    this.surface.paste(this.labels);
    if (f.hoverStep !== null && f.hoverStep <= p.steps) {
      ctx.strokeStyle = css(theme.ink, 0.6);
      ctx.lineWidth = 1;
      ctx.strokeRect(axis.start(f.hoverStep) + 0.5, top, axis.cell - 1, bottom - top);
    }
    for (const [i, colour, line] of [[f.focus, theme.ink, 1.2], [f.node, theme.accent, 2]]) {
      if (i < 0 || p.rowOf[i] >= this.count) continue;
      ctx.strokeStyle = css(colour);
      ctx.lineWidth = line;
      ctx.strokeRect(axis.left - 1, top + p.rowOf[i] * this.row - 0.5, axis.right - axis.left + 2, Math.max(2, this.row) + 1);
    }
    ctx.strokeStyle = css(theme.accent);
    ctx.lineWidth = 2;
    ctx.strokeRect(axis.start(f.t) - 0.5, top - 1, Math.max(2, axis.cell) + 1, bottom - top + 2);
  }

  hit(x, y) {
    const { p, axis } = this;
    if (y < this.top || y > this.bottom || x > axis.right + 4) return { node: -1, step: null };
    const i = p.meta.order[Math.max(0, Math.min(this.count - 1, Math.floor((y - this.top) / this.row)))];
    return { node: i, step: x < axis.left ? null : axis.step(x) };
  }
}
