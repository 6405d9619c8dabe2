// A picture of a view as SVG: the part of a canvas context that the views use, written down instead of painted.

const SVG_NUMBER = (value) => String(Math.round(value * 100) / 100);
const SVG_TEXT = (text) => String(text)
  .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu, "\ufffd")
  .replace(/[&<>"]/g, (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[mark]);

/** A path written as SVG, with the methods of Path2D that the views call. */
class VectorPath {
  constructor() { this.d = ""; }
  #add(letter, ...values) { this.d += letter + values.map(SVG_NUMBER).join(" "); }
  moveTo(x, y) { this.#add("M", x, y); }
  lineTo(x, y) { this.#add(this.d ? "L" : "M", x, y); }
  quadraticCurveTo(a, b, x, y) { this.#add("Q", a, b, x, y); }
  closePath() { this.d += "Z"; }
  rect(x, y, width, height) { this.#add("M", x, y); this.#add("h", width); this.#add("v", height); this.#add("h", -width); this.d += "Z"; }
  roundRect(x, y, width, height, radius) {
    const r = Math.min(radius, width / 2, height / 2);
    this.#add("M", x + r, y);
    for (const [dx, dy, cx, cy] of [[width - 2 * r, 0, r, r], [0, height - 2 * r, -r, r], [2 * r - width, 0, -r, -r], [0, 2 * r - height, r, -r]]) {
      this.#add("l", dx, dy);
      this.d += `a${SVG_NUMBER(r)} ${SVG_NUMBER(r)} 0 0 1 ${SVG_NUMBER(cx)} ${SVG_NUMBER(cy)}`;
    }
    this.d += "Z";
  }
  arc(x, y, radius, from, to) {
    const at = (angle) => [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
    const turn = Math.min(Math.abs(to - from), 2 * Math.PI), whole = turn > 2 * Math.PI - 1e-6;
    this.#add(this.d && !whole ? "L" : "M", ...at(from));
    const r = SVG_NUMBER(radius), ends = whole ? [from + Math.PI, from + 2 * Math.PI] : [to];
    for (const end of ends) this.d += `A${r} ${r} 0 ${!whole && turn > Math.PI ? 1 : 0} ${to > from ? 1 : 0} ${at(end).map(SVG_NUMBER).join(" ")}`;
    if (whole) this.d += "Z";
  }
  addPath(other) { this.d += other.d; }
}

/** What draws into SVG: state as on a canvas, shapes as elements. */
class VectorContext {
  constructor() {
    this.parts = [];
    this.kept = [];
    Object.assign(this, {
      fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, lineCap: "butt", lineJoin: "miter", globalAlpha: 1,
      font: "10px sans-serif", textAlign: "start", textBaseline: "alphabetic", imageSmoothingEnabled: true, dash: [], moved: "",
    });
    this.path = new VectorPath();
    this.ruler = document.createElement("canvas").getContext("2d");
  }
  save() { this.kept.push({ ...this, parts: null, kept: null, path: null, ruler: null }); }
  restore() { const { parts, kept, path, ruler, ...state } = this.kept.pop() ?? {}; Object.assign(this, state); }
  translate(x, y) { this.moved += ` translate(${SVG_NUMBER(x)} ${SVG_NUMBER(y)})`; }
  rotate(angle) { this.moved += ` rotate(${SVG_NUMBER((angle * 180) / Math.PI)})`; }
  setLineDash(dash) { this.dash = dash; }
  measureText(text) { this.ruler.font = this.font; return this.ruler.measureText(text); }
  clearRect() { this.parts = []; }
  setTransform() { this.moved = ""; }

  beginPath() { this.path = new VectorPath(); }
  moveTo(...a) { this.path.moveTo(...a); }
  lineTo(...a) { this.path.lineTo(...a); }
  arc(...a) { this.path.arc(...a); }
  rect(...a) { this.path.rect(...a); }
  roundRect(...a) { this.path.roundRect(...a); }
  quadraticCurveTo(...a) { this.path.quadraticCurveTo(...a); }
  closePath() { this.path.closePath(); }

  #put(element, attributes, inside = "") {
    const shared = { opacity: this.globalAlpha < 1 ? this.globalAlpha : null, transform: this.moved.trim() || null };
    const text = Object.entries({ ...attributes, ...shared })
      .filter(([, value]) => value !== null)
      .map(([name, value]) => ` ${name}="${typeof value === "number" ? SVG_NUMBER(value) : SVG_TEXT(value)}"`)
      .join("");
    this.parts.push(inside ? `<${element}${text}>${inside}</${element}>` : `<${element}${text}/>`);
  }
  get #pen() {
    return {
      fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth,
      "stroke-linecap": this.lineCap === "butt" ? null : this.lineCap, "stroke-linejoin": this.lineJoin === "miter" ? null : this.lineJoin,
      "stroke-dasharray": this.dash.length ? this.dash.join(" ") : null,
    };
  }
  fill(path = this.path) { if (path.d) this.#put("path", { d: path.d, fill: this.fillStyle }); }
  stroke(path = this.path) { if (path.d) this.#put("path", { d: path.d, ...this.#pen }); }
  fillRect(x, y, width, height) { this.#put("rect", { x, y, width, height, fill: this.fillStyle }); }
  strokeRect(x, y, width, height) { this.#put("rect", { x, y, width, height, ...this.#pen }); }

  #write(text, x, y, ink) {
    const [, weight, size, family] = this.font.match(/^(?:(\d+|bold|normal) )?([\d.]+)px (.*)$/) ?? [null, null, "10", "sans-serif"];
    const anchor = { center: "middle", right: "end", end: "end" }[this.textAlign] ?? null;
    // a baseline in numbers: programs that edit SVG read `dominant-baseline` each in its own way
    const down = { top: 0.8, hanging: 0.8, middle: 0.35, bottom: -0.2 }[this.textBaseline] ?? 0;
    this.#put("text", {
      x, y: y + down * Number(size), ...ink, "font-family": family, "font-size": Number(size), "xml:space": "preserve",
      "font-weight": weight === "400" ? null : weight, "text-anchor": anchor,
      // as wide as it is here, should another font take the place of this one
      ...(text.length > 1 && { textLength: this.measureText(text).width, lengthAdjust: "spacingAndGlyphs" }),
    }, SVG_TEXT(text));
  }
  fillText(text, x, y) { this.#write(text, x, y, { fill: this.fillStyle }); }
  strokeText(text, x, y) { this.#write(text, x, y, this.#pen); }

  drawImage(image, x, y, width, height) {
    if (image instanceof VectorContext) {
      this.#put("g", {}, image.parts.join(""));
      return;
    }
    this.#put("image", { x, y, width, height, preserveAspectRatio: "none", href: image.toDataURL("image/png"), style: this.imageSmoothingEnabled ? null : "image-rendering:pixelated" });
  }

  /** The whole as a file. */
  svg(width, height, ground) {
    const space = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;
    return `<svg xmlns="${space}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`
      + `<rect width="${width}" height="${height}" fill="${ground}"/>${this.parts.join("")}</svg>\n`;
  }
}

/** A path for whatever is drawn on at present. */
const newPath = () => (newPath.vector ? new VectorPath() : new Path2D());
