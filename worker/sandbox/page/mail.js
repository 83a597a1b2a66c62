// The e-mail reader: HTML, text, headers and raw, and attachments to download.

import { copiesBadge, el, fullTime, outward, size } from "./dom.js";

const RAW_SHOWN = 200_000; // characters

export class MailReader {
  constructor(node, close) {
    Object.assign(this, { node, close, shown: null, tab: "HTML" });
  }

  /** `row` as in arrivals.js, or null: no e-mail yet. */
  async show(row) {
    const now = row && `${row.id} ${row.copies}`;
    if (now === this.shown) return;
    this.shown = now;
    if (!row) {
      this.node.replaceChildren(el("p", { className: "nothing" }, "No e-mail to show"));
      return;
    }
    const answer = await fetch(`/sandbox/api/messages/${row.id}`);
    if (this.shown !== now) return; // another one was chosen meanwhile
    if (answer.ok) this.render(await answer.json());
    else this.node.replaceChildren(el("p", { className: "nothing" }, "This e-mail is no longer kept."));
  }

  focus() {
    this.node.querySelector(".back")?.focus();
  }

  render(mail) {
    const header = Object.fromEntries(mail.headers.map(([name, value]) => [name.toLowerCase(), value]));
    const facts = [["From", mail.from], ["To", header.to ?? mail.to], ["Cc", header.cc], ["Reply-To", header["reply-to"]]];
    this.node.replaceChildren(
      el("header", {},
        el("button", { type: "button", className: "back", onclick: this.close }, "‹ Back"),
        el("h2", {}, mail.subject || "(no subject)", " ", copiesBadge(mail.copies)),
        el("dl", {}, ...facts.filter(([, value]) => value).map(fact),
          fact(["Arrived", el("time", { dateTime: mail.at }, `${fullTime(mail.at)} · ${size(mail.size)}`)])),
        this.attachments(mail)),
      ...this.tabs(mail));
  }

  attachments(mail) {
    if (!mail.attachments.length) return null;
    return el("ul", { className: "attachments", "aria-label": "Attachments" },
      ...mail.attachments.map(({ filename, type, size: bytes }, n) =>
        el("li", {}, el("a", { href: `/sandbox/api/messages/${mail.id}/attachments/${n}`, download: filename, title: type },
          el("span", { className: "clip", "aria-hidden": "true" }), el("span", { className: "name" }, filename),
          el("small", {}, size(bytes))))));
  }

  tabs(mail) {
    const panels = { HTML: mail.hasHtml && (() => html(mail)), Text: mail.text !== null && (() => pre(mail.text)),
      Headers: () => headers(mail), Raw: () => raw(mail) };
    const names = Object.keys(panels).filter((name) => panels[name]);
    const panel = el("div", { className: "panel", role: "tabpanel", id: "panel" });
    const list = el("div", { className: "tabs", role: "tablist", "aria-label": "Parts of the e-mail" });
    const select = (name, remember = true) => {
      if (remember) this.tab = name;
      [...list.children].forEach((tab) => {
        const isSelected = tab.textContent === name;
        tab.setAttribute("aria-selected", isSelected);
        tab.tabIndex = isSelected ? 0 : -1;
        if (isSelected) panel.setAttribute("aria-labelledby", tab.id);
      });
      panel.replaceChildren(panels[name]());
    };
    list.append(...names.map((name) => el("button",
      { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", onclick: () => select(name) }, name)));
    list.addEventListener("keydown", (event) => moveTab(event, list));
    select(names.includes(this.tab) ? this.tab : names[0], false);
    return [list, panel];
  }
}

function moveTab(event, list) {
  const tabs = [...list.children];
  const now = tabs.indexOf(document.activeElement);
  const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = tabs.at(to % tabs.length);
  tab.click();
  tab.focus();
}

function fact([name, value]) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

// The frame runs no scripts and has an origin of its own; its answer's headers forbid it to load anything.
function html(mail) {
  const frame = el("iframe", { title: "The e-mail as its reader sees it" });
  frame.setAttribute("sandbox", "allow-popups allow-popups-to-escape-sandbox");
  frame.src = `/sandbox/api/messages/${mail.id}/html`;
  return frame;
}

const pre = (text) => el("pre", { tabIndex: 0 }, text);

function headers(mail) {
  const envelope = [["Envelope from", mail.mailFrom || "<>"], ["Envelope to", mail.recipients.join(", ")]];
  return el("div", { className: "headers", tabIndex: 0 }, el("table", {}, el("tbody", {},
    ...[...envelope, ...mail.headers].map(([name, value], index) =>
      el("tr", { className: index < envelope.length ? "envelope" : "" }, el("th", { scope: "row" }, name), el("td", {}, value))))));
}

function raw(mail) {
  const url = `/sandbox/api/messages/${mail.id}/raw`;
  const text = pre("…");
  fetch(url).then((answer) => answer.text()).then((whole) => {
    text.textContent = whole.slice(0, RAW_SHOWN);
    if (whole.length > RAW_SHOWN) text.append("\n…\n", outward(url, `All of it (${size(mail.size)})`));
  });
  return text;
}
