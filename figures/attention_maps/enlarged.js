// Enlarged: one map with its nodes on both axes, rows read from columns; links on the path are framed.

const LABELLED = 40; // rows; more have no labels, the pointer says which they are

class Enlarged {
  constructor(canvas) { this.surface = new Surface(canvas); }

  fit(p, theme) {
    Object.assign(this, { p, theme });
    this.surface.fit();
    const { width, height } = this.surface, ctx = this.surface.ctx;
    const labelled = p.m <= LABELLED && p.meta.block === 1;
    ctx.font = CSS_FONT(theme, 10.5, 450);
    const widths = labelled ? p.meta.labels.map((text) => ctx.measureText(oneLine(text, 14)).width).sort((a, b) => a - b) : [0];
    this.margin = labelled ? Math.min(72, Math.ceil(widths[Math.floor(0.93 * (widths.length - 1))]) + 12) : 20; // a few longer ones are cut
    const side = Math.max(40, Math.min(width - this.margin - 4, height - this.margin - 4));
    this.cell = side / p.m;
    if (this.cell >= 3) this.cell = Math.floor(this.cell * 2) / 2; // whole pixels keep cells alike
    this.side = this.cell * p.m;
    this.left = Math.max(this.margin, Math.floor((width - this.side + this.margin) / 2));
    this.top = this.margin;
    this.labelled = labelled && this.cell >= 6;
    this.images = new Map();
  }

  image(k, head) {
    const name = `${k}/${head}`;
    if (!this.images.has(name)) {
      if (this.images.size > 200) this.images.clear();
      const pixels = Math.round(this.side * this.surface.ratio);
      this.images.set(name, mapImage(this.p, this.theme, this.p.plane(k, head), pixels));
    }
    return this.images.get(name);
  }

  draw(f) {
    const { p, theme, left, top, side, cell } = this, ctx = this.surface.clear();
    ctx.fillStyle = theme.empty;
    ctx.fillRect(left, top, side, side);
    if (f.k >= 0) {
      ctx.imageSmoothingEnabled = false;
      ctx.drawImage(this.image(f.k, f.head), left, top, side, side);
    }
    if (cell > 9) {
      ctx.strokeStyle = css(theme.card, 0.5);
      ctx.lineWidth = 1;
      ctx.beginPath();
      for (let i = 1; i < p.m; i++) {
        ctx.moveTo(left + i * cell, top); ctx.lineTo(left + i * cell, top + side);
        ctx.moveTo(left, top + i * cell); ctx.lineTo(left + side, top + i * cell);
      }
      ctx.stroke();
    }
    if (f.k >= 0) this.frames(ctx, f);
    else pill(ctx, theme, "Step 0 is the embedding: nothing has been read yet", left + side / 2, top + side / 2, { size: 12, limit: this.surface.width });
    ctx.strokeStyle = css(theme.ink, 0.2);
    ctx.lineWidth = 1;
    ctx.strokeRect(left - 0.5, top - 0.5, side + 1, side + 1);
    this.labels(ctx, f);
    this.crosshair(ctx, f);
  }

  frames(ctx, f) {
    const { p, theme, left, top, cell } = this, inset = cell > 8 ? 1 : cell < 5 ? -1 : 0; // small cells must not vanish
    for (const [line, colour, alpha] of [[cell > 8 ? 3 : 0, theme.card, 0.7], [cell > 8 ? 1.4 : cell < 5 ? 0.7 : 1, theme.ink, cell < 5 ? 0.5 : 1]]) {
      if (!line) continue;
      ctx.lineWidth = line;
      ctx.strokeStyle = css(colour, alpha);
      for (let j = 0; j < p.links; j++) {
        if (p.since(j) > f.step) continue;
        const x = left + p.rowOf[p.path[p.links + j]] * cell, y = top + p.rowOf[p.path[j]] * cell;
        ctx.strokeRect(x + inset, y + inset, Math.max(2, cell - 2 * inset), Math.max(2, cell - 2 * inset));
      }
    }
  }

  labels(ctx, f) {
    const { p, theme, left, top, side, cell } = this;
    ctx.textBaseline = "middle";
    if (!this.labelled) {
      ctx.font = CSS_FONT(theme, 11, 450);
      ctx.fillStyle = css(theme.soft);
      ctx.textAlign = "center";
      ctx.fillText(`read from (${p.m} columns) →`, left + side / 2, top - 10);
      ctx.save();
      ctx.translate(left - 10, top + side / 2);
      ctx.rotate(-Math.PI / 2);
      ctx.fillText(`← reading (${p.m} rows)`, 0, 0);
      ctx.restore();
      return;
    }
    const type = Math.max(8, Math.min(11, cell * 0.95)), every = cell < 8.5 ? 2 : 1;
    for (let r = 0; r < p.m; r++) {
      const i = p.order[r], chosen = i === f.row;
      if (r % every && !chosen) continue;
      ctx.font = CSS_FONT(theme, type, chosen ? 700 : 450);
      ctx.fillStyle = css(chosen ? theme.accent : theme.soft);
      const text = cut(ctx, oneLine(p.meta.labels[i], 14), this.margin - 8), at = (r + 0.5) * cell;
      ctx.textAlign = "right";
      ctx.fillText(text, left - 5, top + at);
      ctx.save();
      ctx.translate(left + at, top - 5);
      ctx.rotate(-Math.PI / 2);
      ctx.textAlign = "left";
      ctx.fillText(text, 0, 0);
      ctx.restore();
    }
  }

  /** The chosen node's row and column, and the cell under the pointer. */
  crosshair(ctx, f) {
    const { p, theme, left, top, side, cell } = this;
    if (f.row >= 0) {
      const at = p.rowOf[f.row] * cell;
      ctx.strokeStyle = css(theme.accent);
      ctx.lineWidth = 1.6;
      ctx.strokeRect(left - 1, top + at - 0.5, side + 2, Math.max(2, cell) + 1);
      ctx.setLineDash([3, 3]);
      ctx.lineWidth = 1;
      ctx.strokeRect(left + at - 0.5, top - 1, Math.max(2, cell) + 1, side + 2);
      ctx.setLineDash([]);
    }
    if (!f.over) return;
    ctx.strokeStyle = css(theme.ink, 0.55);
    ctx.lineWidth = 1;
    ctx.strokeRect(left, top + f.over.row * cell, side, cell);
    ctx.strokeRect(left + f.over.column * cell, top, cell, side);
  }

  hit(x, y) {
    const column = Math.floor((x - this.left) / this.cell), row = Math.floor((y - this.top) / this.cell), { m } = this.p;
    const inside = (v) => v >= 0 && v < m;
    if (inside(row) && x < this.left && x > this.left - this.margin) return { row, column: -1 };
    return inside(row) && inside(column) ? { row, column } : null;
  }
}
