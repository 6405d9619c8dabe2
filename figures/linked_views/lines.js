// Lines: words set in lines, in as many columns as make them largest. The first line stands alone on top.

const LARGEST_TYPE = 15, ALONE = 26, SMALLEST_TYPE = 6; // px; ALONE: of a line that is the only one
const ARROW = 1.2; // room between the two ends of an edge, in px of type

/** A word as it is written: the ends of the question carry their sign. */
const written = (p, i) => (p.isSource.has(i) ? "◆ " : p.isTarget.has(i) ? "◎ " : "") + p.label(i, 26);

/** Sets x, y, half (width) and r (height) of the nodes of all lines in a box; returns the size of type. */
function setLines(ctx, theme, p, box, at) {
  const em = new Map(); // width of a word at one px of type, its pill included
  for (const i of p.meta.lines.flat()) {
    const pill = p.truth(0, i).has;
    ctx.font = CSS_FONT(theme, 100, pill ? 600 : 450);
    em.set(i, ctx.measureText(written(p, i)).width / 100 + (pill ? 0.9 : 0));
  }
  const gap = (line, k) => (k === 0 ? 0 : /^[.:?]$/.test(p.labels[line[k]]) ? 0.12 : p.meta.ghosts ? ARROW : 0.4);
  const long = (line) => line.reduce((sum, i, k) => sum + em.get(i) + gap(line, k), 0);
  const [lead, ...rest] = p.meta.lines, widths = rest.map(long);
  const plan = (columns) => {
    const rows = Math.ceil(rest.length / columns), wide = [];
    for (let k = 0; k < rest.length; k += rows) wide.push(Math.max(...widths.slice(k, k + rows)));
    return { rows, wide, total: Math.max(long(lead), wide.reduce((a, b) => a + b, 0) + 2.4 * (wide.length - 1)) };
  };
  // The fewest columns at the largest type that fits; where none does, as many as fit, and lines close together.
  const plans = [];
  for (let columns = 1; columns <= Math.max(1, Math.min(rest.length, 60)); columns++) plans.push(plan(columns));
  const fits = (made, size) => made.total * size <= box.width && (2.5 + 2 * made.rows) * size <= box.height;
  let size = rest.length ? LARGEST_TYPE : ALONE;
  while (size > SMALLEST_TYPE && !plans.some((made) => fits(made, size))) size -= 0.5;
  const best = plans.find((made) => fits(made, size)) ?? plans.findLast((made) => made.total * size <= box.width) ?? plans[0];
  const { rows, wide, total } = best;
  const row = Math.min(2.7 * size, (box.height - 0.5 * size) / (rows + 1));
  const spare = Math.max(0, box.width - total * size);
  const between = 2.4 * size + Math.min(4 * size, wide.length > 1 ? spare / (wide.length - 1) : 0);
  const full = Math.max(long(lead) * size, wide.reduce((a, b) => a + b * size, 0) + between * (wide.length - 1));
  const left = box.x + Math.max(0, (box.width - full) / 2);
  const top = box.y + Math.max(0, (box.height - (rows + 1) * row - 0.5 * size) / 2) + row / 2;
  const set = (line, x, y) => line.forEach((i, k) => {
    x += gap(line, k) * size;
    const width = em.get(i) * size;
    at.x[i] = x + width / 2; at.y[i] = y; at.half[i] = width / 2; at.r[i] = Math.min(0.74 * size, 0.46 * row);
    x += width;
  });
  set(lead, left, top);
  let x = left;
  wide.forEach((width, c) => {
    rest.slice(c * rows, (c + 1) * rows).forEach((line, k) => set(line, x, top + (k + 1) * row + 0.5 * size));
    x += width * size + between;
  });
  return size;
}

/** Words that carry no concept, and arrows between the ends of edges: what never changes. */
function drawPlainWords(ctx, { p, theme, type, x, y, half }) {
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.lineWidth = 4;
  ctx.strokeStyle = css(theme.card, 0.92); // keeps lines off the words
  ctx.fillStyle = css(theme.ink, 0.78);
  ctx.font = CSS_FONT(theme, type, 450);
  for (const i of p.meta.lines.flat()) {
    if (p.truth(0, i).has) continue;
    ctx.strokeText(written(p, i), x[i], y[i] + 0.5);
    ctx.fillText(written(p, i), x[i], y[i] + 0.5);
  }
  if (!p.meta.ghosts) return;
  for (const [i] of p.meta.lines.slice(1)) ctx.fillText("→", x[i] + half[i] + 0.5 * ARROW * type, y[i] + 0.5);
}

/** Words on their pills, in ink that reads on the fill. */
function drawPills(ctx, { p, theme, type, x, y }, f) {
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.font = CSS_FONT(theme, type, 600);
  for (const i of p.meta.lines.flat()) {
    if (!p.truth(0, i).has) continue;
    const value = p.valueBetween(f.reading, f.t, i);
    ctx.fillStyle = Number.isNaN(value) ? css(theme.ink) : theme.rampInk[shade(value)];
    ctx.fillText(written(p, i), x[i], y[i] + 0.5);
  }
}
