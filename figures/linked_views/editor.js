// The editor of the structure: what can be done to the chosen node, and how a hand says so. Every edit is sent as a
// name and the places it is done to, and comes back as another instance. Which tools there are the task says.

const TWO_PLACES = "edge"; // the tool that waits for a second node

class Editor {
  /**
   * @param root of the views. @param send takes {name, at}. @param chosen gives the drawn node under the cursor, -1 none.
   */
  constructor(root, send, chosen, signal) {
    Object.assign(this, { bar: root.querySelector(".ds-edit"), button: root.querySelector("[data-do=edit]"), send, chosen, signal });
    this.on = false; // whether the bar is open
    this.from = -1; // tail of an edge whose head is yet to be clicked
  }

  /** Takes another payload: the tools of its task, or none. */
  fit(p, allowed) {
    const { tools, of_lines: ofLines } = p.meta.edits;
    const may = Boolean(allowed) && (!ofLines || p.meta.n_nodes === p.meta.n_nodes_total);
    this.p = p;
    this.from = -1;
    this.button.hidden = !may || !tools.length;
    if (this.button.hidden) this.on = false;
    if (this.task !== p.meta.task) {
      this.task = p.meta.task;
      const buttons = tools.map(([name, text, key, title]) => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, title: `${title} (${key})` });
        button.dataset.edit = name;
        button.addEventListener("click", () => this.use(name), { signal: this.signal });
        return button;
      });
      this.bar.querySelector(".ds-tools").replaceChildren(...buttons);
    }
    this.show();
  }

  toggle() { this.on = !this.on; this.from = -1; this.show(); }

  show() {
    const { p, on } = this, i = on && p ? this.chosen() : -1;
    this.bar.hidden = !on;
    this.button.setAttribute("aria-pressed", String(on));
    if (!on) return;
    const place = this.place(i), said = this.bar.querySelector("span");
    said.textContent = this.from >= 0 ? `From ${p.name(this.from, 20)} to … click a node, or Escape.` : place < 0 ? p.meta.edits.hint : "";
    said.hidden = !said.textContent;
    for (const button of this.bar.querySelectorAll("[data-edit]")) button.disabled = place < 0;
  }

  /** Where in the instance a drawn node is; -1 where there is nothing to edit. */
  place(i) {
    const { p } = this;
    if (!p || i < 0) return -1;
    if (!p.meta.edits.of_lines) return p.of[i];
    const line = p.lineOf[i]; // the question is the first line that is drawn, and the last sentence
    return line < 0 ? -1 : line === 0 ? p.meta.lines.length - 1 : line - 1;
  }

  use(name) {
    const i = this.chosen(), at = this.place(i);
    if (!this.on || at < 0) return;
    if (name !== TWO_PLACES) return this.send({ name, at: [at] });
    this.from = i;
    this.show();
  }

  /** A click on a node; whether it was meant for the editor. */
  click(i, shift) {
    const from = this.from >= 0 ? this.from : shift && this.p.meta.edits.tools.some(([name]) => name === TWO_PLACES) ? this.chosen() : -1;
    if (!this.on || from < 0 || i < 0) return false;
    this.from = -1;
    this.show();
    if (this.place(i) !== this.place(from)) this.send({ name: TWO_PLACES, at: [this.place(from), this.place(i)] });
    return true;
  }

  /** A key; whether it was meant for the editor. */
  key(key) {
    if (!this.on) return false;
    if (key === "Escape" && this.from >= 0) { this.from = -1; this.show(); return true; }
    const name = this.p.meta.edits.tools.find((tool) => tool[2] === key || (tool[2] === "Delete" && key === "Backspace"))?.[0];
    if (!name || this.place(this.chosen()) < 0) return false;
    this.use(name);
    return true;
  }
}
