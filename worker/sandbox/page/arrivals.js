// The list on the left: an e-mail a row, a conversation a row, newest first.

import { ago, copiesBadge, el, fullTime, phoneNumber, plural } from "./dom.js";

/** Messages, newest first → rows {key, channel, at, who, line, count, copies, id | messages}. */
export function grouped(messages) {
  const rows = new Map();
  for (const message of messages) {
    if (message.channel === "email") rows.set(message.id, emailRow(message));
    else addSms(rows, message);
  }
  return [...rows.values()];
}

function emailRow(message) {
  const { id, at, to, subject, copies } = message;
  return { key: id, channel: "email", at, who: to, line: subject || "(no subject)", count: 1, copies, id };
}

function addSms(rows, message) {
  const key = `${message.from} → ${message.to}`;
  const row = rows.get(key);
  if (row) {
    row.messages.unshift(message);
    row.count += 1;
    row.copies = Math.max(row.copies, message.copies);
    return;
  }
  const line = message.body || plural(message.media.length, "file");
  const who = phoneNumber(message.to);
  rows.set(key, { key, channel: "sms", at: message.at, who, line, count: 1, copies: message.copies, messages: [message] });
}

/** A listbox. Arrow keys choose a row; Enter, Space or a click opens it. */
export class ArrivalList {
  constructor(node, { choose, open }) {
    Object.assign(this, { node, choose, open, rows: [], active: 0 });
    node.addEventListener("keydown", (event) => this.onKey(event));
    node.addEventListener("click", (event) => {
      const index = [...node.children].indexOf(event.target.closest("li"));
      if (index >= 0) this.go(index, this.open);
    });
  }

  show(rows, selected) {
    const before = this.rows[this.active]?.key;
    this.rows = rows;
    this.node.replaceChildren(...rows.map((row, index) => this.item(row, index)));
    this.active = Math.max(rows.findIndex((row) => row.key === before), 0);
    this.mark(selected);
  }

  item(row, index) {
    const icon = el("span", { className: `icon ${row.channel}`, "aria-hidden": "true" });
    const kind = el("span", { className: "unseen" }, row.channel === "sms" ? "SMS to " : "E-mail to ");
    const count = row.count > 1 && el("span", { className: "badge" }, row.count, el("span", { className: "unseen" }, " messages"));
    return el("li", { role: "option", id: `row-${index}`, "data-channel": row.channel },
      icon,
      el("span", { className: "who" }, el("b", {}, kind, row.who), el("time", { dateTime: row.at, title: fullTime(row.at) }, ago(row.at))),
      el("span", { className: "line" }, el("span", {}, row.line), copiesBadge(row.copies, `${row.copies}×`), count));
  }

  mark(selected) {
    [...this.node.children].forEach((item, index) => {
      item.setAttribute("aria-selected", selected.includes(this.rows[index].key));
      item.classList.toggle("active", index === this.active);
    });
    this.node.setAttribute("aria-activedescendant", this.rows.length ? `row-${this.active}` : "");
  }

  refreshTimes() {
    this.node.querySelectorAll("time").forEach((time) => { time.textContent = ago(time.dateTime); });
  }

  onKey(event) {
    const last = this.rows.length - 1;
    const targets = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, Home: 0, End: last,
      PageDown: this.active + 8, PageUp: this.active - 8 };
    const opens = event.key === "Enter" || event.key === " ";
    if (last < 0 || (!opens && !(event.key in targets))) return;
    event.preventDefault();
    this.go(Math.min(Math.max(targets[event.key] ?? this.active, 0), last), opens ? this.open : this.choose);
  }

  go(index, then) {
    this.active = index;
    then(this.rows[index]);
    this.node.children[index].scrollIntoView({ block: "nearest" });
  }
}
