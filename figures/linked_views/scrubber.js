// Scrubber: one bar a step, as tall as the change of the whole state; the playhead; the trained range below.

class Scrubber {
  constructor(canvas) { this.surface = new Surface(canvas); }

  fit(p, theme, steps) {
    this.p = p;
    this.theme = theme;
    this.steps = Math.max(1, steps);
    this.surface.fit();
    this.pad = 6;
    this.cell = (this.surface.width - 2 * this.pad) / (this.steps + 1);
    let most = 0;
    for (const v of p.bars) if (Number.isFinite(v)) most = Math.max(most, v);
    this.most = most || 1;
  }

  x(t) { return this.pad + t * this.cell; }

  draw(f) {
    const { p, theme } = this, s = this.surface, ctx = s.clear();
    const floor = s.height - 7, room = floor - 3, gap = this.cell > 5 ? 1.6 : this.cell > 2.5 ? 0.8 : 0;
    for (const past of [false, true]) {
      const path = newPath();
      for (let t = 0; t <= p.steps; t++) {
        if (t <= f.t !== past) continue;
        const height = Math.max(1.5, room * Math.sqrt(Math.max(0, p.bars[t]) / this.most));
        path.rect(this.x(t) + gap / 2, floor - height, Math.max(0.6, this.cell - gap), height);
      }
      ctx.fillStyle = past ? css(theme.ink, 0.62) : css(theme.ink, 0.2);
      ctx.fill(path);
    }
    if (p.meta.trained) {
      const a = this.x(Math.max(0, Math.min(this.steps + 1, p.meta.trained[0]))), b = this.x(Math.min(this.steps + 1, p.meta.trained[1] + 1));
      ctx.fillStyle = css(theme.ink, 0.45);
      ctx.fillRect(a, s.height - 4, Math.max(1, b - a), 2);
    }
    if (f.hoverStep !== null) {
      ctx.fillStyle = css(theme.ink, 0.12);
      ctx.fillRect(this.x(f.hoverStep), 0, this.cell, s.height);
    }
    const x = this.x(f.t + 0.5);
    ctx.fillStyle = css(theme.accent);
    ctx.fillRect(x - 1, 2, 2, s.height - 3);
    ctx.beginPath();
    ctx.arc(x, 5, 4.5, 0, 7);
    ctx.fill();
  }

  step(x) { return Math.max(0, Math.min(this.steps, Math.floor((x - this.pad) / this.cell))); }
}
