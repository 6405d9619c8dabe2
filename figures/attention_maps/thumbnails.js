// Thumbnails: one small map for each head (rows, all heads together on top) and for some steps (columns).

const THUMB_LEFT = 50, THUMB_TOP = 19, THUMB_GAP = 5; // px
const THUMB_FEWEST = 8, THUMB_MOST = 12, THUMB_LEAST = 41, THUMB_LARGEST = 104; // columns; px
const THUMB_TALLEST = 560; // px of all rows

class Thumbnails {
  constructor(canvas) { this.surface = new Surface(canvas); }

  /** Height that the maps need in a width; where there are few rows they grow to the height of the large map. */
  plan(p, width, beside) {
    const room = width - THUMB_LEFT - 2, rows = p.heads > 1 ? p.heads + 1 : 1;
    const wanted = Math.max(THUMB_LEAST, Math.min(THUMB_LARGEST, (beside - THUMB_TOP) / rows - THUMB_GAP));
    const most = Math.floor(room / (THUMB_LEAST + THUMB_GAP));
    const columns = Math.max(Math.min(THUMB_FEWEST, most), Math.floor(room / (wanted + THUMB_GAP)));
    const count = Math.max(4, Math.min(THUMB_MOST, p.held.length, columns));
    const last = p.held.length - 1;
    this.columns = [...new Set(Array.from({ length: count }, (_, c) => Math.round((c * last) / Math.max(1, count - 1))))];
    this.rows = p.heads > 1 ? [-1, ...Array.from({ length: p.heads }, (_, h) => h)] : [0];
    this.size = Math.floor(Math.max(12, Math.min(THUMB_LARGEST, (THUMB_TALLEST - THUMB_TOP) / rows - THUMB_GAP, room / this.columns.length - THUMB_GAP)));
    return THUMB_TOP + this.rows.length * (this.size + THUMB_GAP) + 1;
  }

  fit(p, theme) {
    Object.assign(this, { p, theme });
    this.surface.fit();
    const pixels = Math.max(1, Math.round(this.size * this.surface.ratio));
    this.images = this.rows.map((h) => this.columns.map((k) => mapImage(p, theme, p.plane(k, h), pixels)));
  }

  x(c) { return THUMB_LEFT + c * (this.size + THUMB_GAP); }
  y(r) { return THUMB_TOP + r * (this.size + THUMB_GAP); }

  draw(f) {
    const { p, theme, size } = this, ctx = this.surface.clear();
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    this.rows.forEach((h, r) => {
      const on = h === f.head;
      ctx.font = CSS_FONT(theme, 11, on ? 650 : 450);
      ctx.fillStyle = css(on ? theme.ink : theme.soft);
      ctx.fillText(h < 0 ? "mean" : `head ${h}`, THUMB_LEFT - 8, this.y(r) + size / 2);
      if (h < 0) return;
      ctx.fillStyle = css(theme.heads[h % theme.heads.length]);
      ctx.fillRect(THUMB_LEFT - 5, this.y(r), 2.5, size);
    });
    ctx.textAlign = "center";
    this.columns.forEach((k, c) => {
      const on = p.held[k] === f.step;
      ctx.font = CSS_FONT(theme, 11, on ? 650 : 450);
      ctx.fillStyle = css(on ? theme.ink : theme.soft);
      ctx.fillText(c ? String(p.held[k]) : `step ${p.held[k]}`, this.x(c) + size / 2, 7);
    });
    ctx.imageSmoothingEnabled = false;
    this.images.forEach((row, r) => row.forEach((image, c) => {
      ctx.drawImage(image, this.x(c), this.y(r), size, size);
      ctx.strokeStyle = css(theme.ink, 0.14);
      ctx.lineWidth = 1;
      ctx.strokeRect(this.x(c) - 0.5, this.y(r) - 0.5, size + 1, size + 1);
    }));
    this.marker(ctx, f);
  }

  /** Where the cursor is: a frame round its map, and a mark over the columns that moves between them. */
  marker(ctx, f) {
    const { p, theme, size } = this, steps = this.columns.map((k) => p.held[k]);
    const row = this.rows.indexOf(f.head), column = steps.indexOf(f.step);
    ctx.strokeStyle = ctx.fillStyle = css(theme.accent);
    if (row >= 0 && column >= 0) {
      ctx.lineWidth = 2;
      ctx.strokeRect(this.x(column) - 2, this.y(row) - 2, size + 4, size + 4);
    }
    if (f.step < 1) return;
    let c = steps.findLastIndex((t) => t <= f.step);
    if (c < steps.length - 1) c += (f.step - steps[c]) / (steps[c + 1] - steps[c]);
    const x = this.x(c) + size / 2;
    ctx.beginPath();
    ctx.moveTo(x - 4, 14);
    ctx.lineTo(x + 4, 14);
    ctx.lineTo(x, 18);
    ctx.fill();
  }

  hit(x, y) {
    const c = Math.floor((x - THUMB_LEFT) / (this.size + THUMB_GAP)), r = Math.floor((y - THUMB_TOP) / (this.size + THUMB_GAP));
    if (r < 0 || r >= this.rows.length || c >= this.columns.length) return null;
    return { head: this.rows[r], step: c < 0 ? null : this.p.held[this.columns[c]] };
  }
}
