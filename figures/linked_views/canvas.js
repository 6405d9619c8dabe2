// Canvases that stay crisp, the theme as colours, and small drawing that several views share.

const CSS_FONT = (theme, size, weight = 400) => `${weight} ${size}px ${theme.font}`;

/** A canvas that follows its box; size in CSS pixels, drawn at the device's resolution. */
class Surface {
  constructor(canvas) {
    this.canvas = canvas;
    this.ctx = canvas.getContext("2d");
    this.width = this.height = this.ratio = 0;
    this.forced = null; // a resolution in place of the device's, for a picture that is saved
  }
  /** Fits the canvas to its box; true if the size changed. */
  fit() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.forced ?? Math.min(3, window.devicePixelRatio || 1);
    const width = Math.round(box.width), height = Math.round(box.height);
    if (width === this.width && height === this.height && ratio === this.ratio) return false;
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    return true;
  }
  /** Fits whatever has changed, and draws into SVG until `fn` is done; the picture as text. */
  vector(ground, fn) {
    const { ctx } = this;
    this.ctx = new VectorContext();
    newPath.vector = true;
    try {
      fn();
      return this.ctx.svg(this.width, this.height, ground);
    } finally {
      newPath.vector = false;
      this.ctx = ctx;
    }
  }
  clear() {
    this.ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.ctx.clearRect(0, 0, this.width, this.height);
    return this.ctx;
  }
  /** An offscreen canvas of the same size, drawn by fn(ctx). */
  layer(fn) {
    if (newPath.vector) {
      const ctx = new VectorContext();
      fn(ctx);
      return ctx;
    }
    const canvas = document.createElement("canvas");
    canvas.width = this.canvas.width;
    canvas.height = this.canvas.height;
    const ctx = canvas.getContext("2d");
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    fn(ctx);
    return canvas;
  }
  paste(layer, alpha = 1) {
    const { ctx } = this;
    ctx.globalAlpha = alpha;
    ctx.drawImage(layer, 0, 0, this.width, this.height);
    ctx.globalAlpha = 1;
  }
}

/** Saves a surface on a ground as PNG, at three times the resolution, or as SVG; `redraw` fits and draws its view. */
function savePicture(surface, ground, name, format, redraw) {
  if (format === "svg") {
    saveBlob(new Blob([surface.vector(css(ground), redraw)], { type: "image/svg+xml" }), `${name}.svg`);
    return;
  }
  surface.forced = 3;
  redraw();
  const picture = Object.assign(document.createElement("canvas"), { width: surface.canvas.width, height: surface.canvas.height });
  const ctx = picture.getContext("2d");
  ctx.fillStyle = css(ground);
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.drawImage(surface.canvas, 0, 0);
  surface.forced = null;
  picture.toBlob((blob) => saveBlob(blob, `${name}.png`), "image/png");
}

function saveBlob(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** The format a click on a save button asks for: the page's, and with Shift the other. */
const pictureFormat = (event, chosen) => ((chosen === "svg") !== event.shiftKey ? "svg" : "png");

/** Says on every save button what it saves. */
function nameSaves(root, chosen) {
  const [first, other] = chosen === "svg" ? ["SVG", "PNG"] : ["PNG", "SVG"];
  for (const button of root.querySelectorAll(".ds-save")) {
    button.title = `Save as ${first}; with Shift as ${other}`;
    button.setAttribute("aria-label", button.getAttribute("aria-label").replace(/ as \w+.*$/, ` as ${first}, with Shift as ${other}`));
  }
}

function toRgb(colour) {
  const ctx = (toRgb.ctx ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true }));
  ctx.clearRect(0, 0, 1, 1);
  ctx.fillStyle = "#888";
  ctx.fillStyle = colour;
  ctx.fillRect(0, 0, 1, 1);
  return [...ctx.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

const css = (rgb, alpha = 1) => `rgba(${Math.round(rgb[0])},${Math.round(rgb[1])},${Math.round(rgb[2])},${alpha})`;
const blend = (a, b, share) => [0, 1, 2].map((k) => a[k] + (b[k] - a[k]) * share);
const luminance = (rgb) => (0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]) / 255;

function readTheme(root) {
  const style = getComputedStyle(root);
  const get = (name, otherwise) => {
    const value = style.getPropertyValue(name).trim();
    return value && value !== "unset" ? value : otherwise;
  };
  const page = toRgb(get("--st-background-color", "#ffffff"));
  const ink = toRgb(get("--st-text-color", "#1f2430"));
  const dark = luminance(page) < 0.5;
  const palette = PALETTE[dark ? "dark" : "light"];
  const theme = {
    dark, page, ink, font: style.fontFamily || "sans-serif",
    card: blend(page, ink, 0.025), line: blend(page, ink, 0.16), soft: blend(page, ink, 0.62), faint: blend(page, ink, 0.09),
    accent: toRgb(palette.accent), wrong: toRgb(palette.wrong), heads: palette.heads.map(toRgb),
    ramp: palette.ramp, rampCss: palette.ramp.map((c) => css(c)),
    rampInk: palette.ramp.map((c) => (luminance(c) > 0.5 ? "#10131c" : "#ffffff")),
  };
  theme.empty = css(blend(page, ink, 0.06));
  root.style.setProperty("--ds-accent", palette.accent);
  root.style.setProperty("--ds-wrong", palette.wrong);
  return theme;
}

const shade = (value) => Math.max(0, Math.min(255, Math.round(value * 255)));

/** Whether a name is a path such as `package.module` or `folder/file`, whose end tells it from its neighbours. */
const isPath = (text) => text.startsWith("…") || /^[\w./:\\-]*\w[./:\\][\w./:\\-]*$/.test(text.slice(0, 300));
/** Text shortened to a number of characters: a path and what is numbered keep their end, all else its beginning. */
const shortened = (text, kept) => (isPath(text) || /\d$/.test(text) ? "…" + text.slice(-kept) : text.slice(0, kept) + "…");

/** Text cut with an ellipsis to a width. */
function cut(ctx, text, width) {
  if (ctx.measureText(text).width <= width) return text;
  let low = 0, high = Math.min(text.length, 300);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ctx.measureText(shortened(text, middle)).width <= width) low = middle; else high = middle - 1;
  }
  return low ? shortened(text, low) : "";
}

/** A little label on a rounded ground, kept inside the surface. */
function pill(ctx, theme, text, x, y, { size = 10.5, ground = theme.card, ink = theme.soft, weight = 600, limit = null } = {}) {
  ctx.font = CSS_FONT(theme, size, weight);
  const width = ctx.measureText(text).width + 8;
  if (limit) x = Math.max(width / 2 + 1, Math.min(limit - width / 2 - 1, x));
  ctx.fillStyle = css(ground, 0.88);
  ctx.beginPath();
  ctx.roundRect(x - width / 2, y - size * 0.75, width, size * 1.5, 4);
  ctx.fill();
  ctx.fillStyle = css(ink);
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(text, x, y + 0.5);
}

/** Steps at which an axis of a width has room for a tick. */
function stepTicks(steps, width) {
  const room = Math.max(1, Math.floor(width / 34));
  const raw = (steps + 1) / room;
  const unit = [1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 200, 500, 1000].find((u) => u >= raw) ?? Math.ceil(raw / 1000) * 1000;
  const ticks = [];
  for (let t = 0; t <= steps; t += unit) ticks.push(t);
  return ticks;
}

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
const two = (value) => (Number.isNaN(value) ? "none" : value.toFixed(2));
