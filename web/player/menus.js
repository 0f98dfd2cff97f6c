// A menu of the player: pages of choices, which arrow keys and pointers move through alike.

import { element } from "../words.js";
import { icon } from "./icons.js";

/** @typedef {import("./controls.js").Surface} Surface */

/**
 * One line: a choice that is checked or not, a command, or the way to a page of its own.
 * @typedef {object} Entry
 * @property {string} label
 * @property {string} [detail]  The current choice of the page behind it, or a key.
 * @property {boolean} [isChecked]
 * @property {() => void} [choose]
 * @property {() => Page} [page]
 */

/** @typedef {{ title: string, entries: Entry[] }} Page */

export class Menu {
  #button;
  #first;
  /** @type {(() => Page)[]} */
  #open = []; // the pages from the first to the visible one
  #drawn = ""; // what the visible page says

  /**
   * Opens at a button.
   * @param {Surface} surface
   * @param {HTMLButtonElement} button
   * @param {() => Page} first
   */
  constructor({ stage, signal }, button, first) {
    this.#button = button;
    this.#first = first;
    this.element = element("div", "menu");
    this.element.hidden = true;
    this.element.setAttribute("role", "menu");
    this.element.addEventListener("keydown", (event) => this.#press(event));
    button.setAttribute("aria-haspopup", "menu");
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => (this.isOpen ? this.close() : this.#enter(first)));
    document.addEventListener("pointerdown", ({ target }) => {
      const node = /** @type {Node} */ (target);
      if (this.isOpen && !this.element.contains(node) && !button.contains(node)) this.#hide();
    }, { signal, capture: true });
    stage.addEventListener("focusout", ({ relatedTarget }) => {
      const node = /** @type {Node | null} */ (relatedTarget);
      if (this.isOpen && node && !this.element.contains(node) && node !== button) this.#hide();
    }, { signal });
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Closes, and gives the focus back to the button. */
  close() {
    if (!this.isOpen) return;
    const hadFocus = this.element.contains(document.activeElement);
    this.#hide();
    if (hadFocus) this.#button.focus();
  }

  /** Shows the choices as they are now. Choices that stay keep their buttons: one may be pressed at this moment. */
  update() {
    if (!this.isOpen || this.#text() === this.#drawn) return;
    const items = this.#items();
    const at = items.findIndex((item) => item === document.activeElement);
    this.#draw();
    if (at >= 0) this.#items()[Math.min(at, this.#items().length - 1)]?.focus();
  }

  #hide() {
    this.#open = [];
    this.element.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
  }

  /** @param {() => Page} page */
  #enter(page) {
    this.#open.push(page);
    this.element.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.#draw();
    const items = this.#items();
    const checked = items.find((item) => item.getAttribute("aria-checked") === "true");
    (checked ?? items[0])?.focus();
  }

  #leave() {
    if (this.#open.length < 2) {
      this.close();
      return;
    }
    const left = this.#open.pop();
    this.#draw();
    const title = left?.().title;
    (this.#items().find((item) => item.dataset.label === title) ?? this.#items()[0])?.focus();
  }

  #items() {
    return /** @type {HTMLButtonElement[]} */ ([...this.element.querySelectorAll("button")]);
  }

  #page() {
    return (this.#open.at(-1) ?? this.#first)();
  }

  /** What the page says, without what its entries do. */
  #text() {
    return JSON.stringify(this.#page());
  }

  #draw() {
    const { title, entries } = this.#page();
    this.#drawn = this.#text();
    const rows = entries.map((entry) => this.#row(entry));
    if (this.#open.length > 1) {
      const back = this.#item("menuitem", title, () => this.#leave());
      back.prepend(icon("back"));
      back.classList.add("back");
      back.setAttribute("aria-label", `Back: ${title}`);
      rows.unshift(back);
    }
    this.element.setAttribute("aria-label", title);
    this.element.replaceChildren(...rows);
  }

  /** @param {Entry} entry */
  #row({ label, detail, isChecked, choose, page }) {
    const role = isChecked === undefined ? "menuitem" : "menuitemradio";
    const row = this.#item(role, label, () => {
      if (page) return this.#enter(page);
      this.close();
      choose?.();
    });
    if (isChecked !== undefined) {
      row.setAttribute("aria-checked", String(isChecked));
      row.prepend(icon("check"));
    }
    if (detail) row.append(" ", element("bdi", "detail", detail));
    if (page) {
      row.setAttribute("aria-haspopup", "menu");
      row.append(icon("forward"));
    }
    return row;
  }

  /**
   * @param {string} role
   * @param {string} label
   * @param {() => void} onclick
   */
  #item(role, label, onclick) {
    const item = /** @type {HTMLButtonElement} */ (element("button", "", element("bdi", "", label)));
    item.type = "button";
    item.tabIndex = -1;
    item.dataset.label = label;
    item.setAttribute("role", role);
    item.addEventListener("click", onclick);
    return item;
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = this.#items();
    const at = items.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const focus = (/** @type {number} */ index) => items.at(index % items.length)?.focus();
    switch (event.key) {
      case "ArrowDown": focus(at + 1); break;
      case "ArrowUp": focus(at - 1); break;
      case "Home": focus(0); break;
      case "End": focus(-1); break;
      case "ArrowRight": if (items[at]?.hasAttribute("aria-haspopup")) items[at].click(); break;
      case "ArrowLeft": if (this.#open.length > 1) this.#leave(); break;
      case "Escape": this.#leave(); break;
      case "Tab": this.close(); return;
      case "Enter": case " ": event.stopPropagation(); return; // the browser clicks the item
      default: return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
