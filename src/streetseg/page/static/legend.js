/* The list of classes with their shares. Each is a switch that hides or shows its colour. */

import { percent } from "./overlay.js";

export class Legend {
  /** list: the element to fill. changed: called when a class is hidden or shown. */
  constructor(list, changed) {
    this.list = list;
    this.changed = changed;
    this.hidden = new Set();
    this.rows = [];
  }

  /** List classes: names, and colours as [red, green, blue]. */
  setClasses(names, colours) {
    this.hidden.clear();
    this.rows = names.map((name, index) => this.row(name, colours[index], index));
    this.list.replaceChildren(...this.rows.map((row) => row.item));
  }

  row(name, colour, index) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const [swatch, title, value, bar] = ["i", "b", "span", "u"].map((tag) => document.createElement(tag));
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.title = `Hide or show ${name}`;
    button.style.setProperty("--colour", `rgb(${colour.join(" ")})`);
    title.textContent = name;
    value.textContent = "–";
    button.append(swatch, title, value, bar);
    button.addEventListener("click", () => {
      if (!this.hidden.delete(index)) this.hidden.add(index);
      button.setAttribute("aria-pressed", String(!this.hidden.has(index)));
      this.changed();
    });
    item.append(button);
    return { item, button, value, bar };
  }

  /** Show the share of each class, 0 to 1. */
  setShares(shares) {
    this.rows.forEach(({ button, value, bar }, index) => {
      value.textContent = percent(shares[index]);
      bar.style.setProperty("--share", shares[index]);
      button.classList.toggle("absent", shares[index] === 0);
    });
  }

  /** Mark the class that is pointed at; -1: none. */
  point(index) {
    this.rows.forEach(({ button }, at) => button.classList.toggle("pointed", at === index));
  }
}
