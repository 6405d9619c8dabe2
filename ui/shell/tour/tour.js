// The tour: five stops, each a card beside what it speaks of. Offered once to whoever comes without a link, and started
// by the button; whether it was seen is kept in this browser alone.

const HEADER = 60; // px that the page's header covers
const SEEN = "depthscope.tour";
const STOPS = [
  { at: ".ds-player", title: "One cursor: the step", text: "The model applies one block again and again. Play or drag to move through its steps; Space, ← and → work anywhere. Every view follows." },
  { at: ".ds-structure", title: "What each node believes, and what is true", text: "The fill is what the model holds, the ring what the oracle knows by this step. A cross: belief and truth differ. Lines are attention into the step. Click a node to follow it." },
  { at: ".ds-wavefront", title: "The wave", text: "A row a node, a column a step. The stair is the earliest step at which the truth can arrive; a wave that hugs it moves one hop a step, though nothing taught it to." },
  { at: ".ds-answer", title: "The answer", text: "Probability of yes after each step: when it can be known, when the model commits, and which steps it was trained with." },
  { at: "[data-testid=stSidebar]", title: "Now yours", text: "Choose another model or instance, draw one, type or upload your own. Edit changes the one on screen; Make a twin turns its answer. The address is a link to what you see." },
];

/** The first visible element of a selector, in shadow trees as well. */
function find(selector, root = document) {
  const here = root.querySelector(selector);
  if (here && here.getBoundingClientRect().width) return here;
  for (const element of root.querySelectorAll("*")) {
    const inside = element.shadowRoot && find(selector, element.shadowRoot);
    if (inside) return inside;
  }
  return null;
}

const remembered = () => { try { return localStorage.getItem(SEEN); } catch { return "yes"; } };
const remember = () => { try { localStorage.setItem(SEEN, "yes"); } catch { /* a browser that keeps nothing asks again */ } };
const cameByLink = () => (performance.getEntriesByType("navigation")[0]?.name ?? "").includes("?");

const OPEN = new WeakMap();

class Tour {
  constructor(root) {
    this.root = root;
    this.stop = -1;
    this.off = new AbortController();
    window.addEventListener("keydown", (event) => { if (event.key === "Escape" && this.card) this.end(); }, { signal: this.off.signal });
    window.addEventListener("resize", () => this.place(), { signal: this.off.signal });
    document.addEventListener("scroll", () => this.place(), { signal: this.off.signal, capture: true, passive: true });
  }

  offer() {
    this.show("First time here?", "Five short stops show how to read this page.", [["Start the tour", () => this.go(0), true], ["Not now", () => this.end()]], null);
  }

  go(stop) {
    this.stop = stop;
    const { title, text, at } = STOPS[stop], last = stop === STOPS.length - 1;
    const target = find(at);
    target?.scrollIntoView({ block: "nearest", behavior: "instant" });
    const buttons = [[last ? "Done" : "Next", () => (last ? this.end() : this.go(stop + 1)), true]];
    if (stop) buttons.push(["Back", () => this.go(stop - 1)]);
    if (!last) buttons.push(["Skip", () => this.end()]);
    this.show(title, text, buttons, target, `${stop + 1} of ${STOPS.length}`);
  }

  show(title, text, buttons, target, count = "") {
    this.target = target;
    const make = (tag, name, content) => Object.assign(document.createElement(tag), { className: name, textContent: content });
    const card = make("div", "card", "");
    card.setAttribute("role", "dialog");
    card.setAttribute("aria-label", title);
    const row = make("div", "row", "");
    for (const [name, act, main] of buttons) {
      const button = make("button", main ? "main" : "", name);
      button.type = "button";
      button.addEventListener("click", act);
      row.append(button);
    }
    row.append(make("span", "count", count));
    card.append(make("b", "", title), make("p", "", text), row);
    this.frame = target ? make("div", "frame", "") : null;
    this.root.replaceChildren(...(this.frame ? [this.frame] : []), card);
    this.card = card;
    this.place();
    if (this.stop >= 0) row.querySelector("button").focus({ preventScroll: true }); // an offer takes no focus
  }

  place() {
    const { card, frame, target } = this;
    if (!card) return;
    const w = window.innerWidth, h = window.innerHeight, cw = card.offsetWidth, ch = card.offsetHeight, gap = 14;
    if (!target) return Object.assign(card.style, { left: `${w - cw - 24}px`, top: `${h - ch - 24}px` });
    const box = target.getBoundingClientRect();
    const top = Math.max(HEADER, box.top), bottom = Math.min(h - 4, box.bottom);
    Object.assign(frame.style, { left: `${box.left - 4}px`, top: `${top - 4}px`, width: `${box.width + 8}px`, height: `${Math.max(0, bottom - top) + 8}px` });
    const spots = [
      [box.right + gap, top], [box.left - cw - gap, top], [box.left, bottom + gap], [box.left, top - ch - gap],
      [Math.min(box.right, w) - cw - gap, bottom - ch - gap],
    ];
    const side = find("[data-testid=stSidebar]")?.getBoundingClientRect().right ?? 0; // it lies over the card
    const [x, y] = spots.find(([a, b]) => a >= Math.max(4, side) && b >= HEADER && a + cw <= w - 4 && b + ch <= h - 4) ?? spots.at(-1);
    Object.assign(card.style, { left: `${Math.max(Math.min(side + 4, w - cw - 4), Math.min(w - cw - 4, x))}px`, top: `${Math.max(HEADER, Math.min(h - ch - 4, y))}px` });
  }

  end() {
    remember();
    this.stop = -1;
    this.card = this.frame = null;
    this.root.replaceChildren();
  }

  close() { this.off.abort(); }
}

export default function mount({ data, parentElement }) {
  const root = parentElement.querySelector(".tour");
  let tour = OPEN.get(root);
  if (!tour) {
    OPEN.set(root, (tour = new Tour(root)));
    if (!data.asked && !remembered() && !cameByLink()) setTimeout(() => tour.offer(), 1200);
  }
  if (data.asked && sessionStorage.getItem(SEEN) !== data.asked) { // not again when the page is drawn anew
    sessionStorage.setItem(SEEN, data.asked);
    setTimeout(() => tour.go(0), 300);
  }
  return () => { tour.close(); OPEN.delete(root); };
}
