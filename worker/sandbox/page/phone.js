// An SMS conversation, as the recipient's phone shows it.

import { copiesBadge, dayAndTime, el, outward, phoneNumber, plural, timeOfDay } from "./dom.js";

export class Phone {
  constructor(node, close) {
    Object.assign(this, { node, close, shown: null });
    node.addEventListener("load", () => this.scrollToNewest(), true); // a picture makes the conversation longer
  }

  /** `row` as in arrivals.js, or null: no SMS yet. */
  show(row, mediaOrigins) {
    const now = JSON.stringify(row && [row.key, row.messages.map((message) => [message.id, message.copies])]);
    if (now === this.shown) return;
    this.shown = now;
    this.node.replaceChildren(...(row ? this.conversation(row, mediaOrigins) : [this.noSms()]));
    this.scrollToNewest();
  }

  focus() {
    this.node.querySelector(".back")?.focus();
    this.scrollToNewest();
  }

  scrollToNewest() {
    const bubbles = this.node.querySelector(".bubbles");
    if (bubbles) bubbles.scrollTop = bubbles.scrollHeight;
  }

  noSms() {
    return frame("", el("p", { className: "nothing" }, "No SMS to show"));
  }

  conversation(row, mediaOrigins) {
    const last = row.messages.at(-1);
    const sender = phoneNumber(last.from);
    return [
      el("button", { type: "button", className: "back", onclick: this.close }, "‹ Back"),
      el("h2", { className: "caption" }, el("small", {}, "Phone of"), row.who),
      frame(timeOfDay(last.at),
        el("header", { className: "contact" }, el("span", { className: "avatar", "aria-hidden": "true" }), sender),
        el("ol", { className: "bubbles", tabIndex: 0, "aria-label": `SMS from ${sender}` },
          ...row.messages.map((message, index) => item(message, row.messages[index - 1], mediaOrigins)))),
    ];
  }
}

function frame(time, ...children) {
  const status = el("div", { className: "status", "aria-hidden": "true" }, el("span", {}, time), el("i"), el("b"));
  return el("div", { className: "frame" }, el("div", { className: "screen" }, status, ...children));
}

function item(message, before, mediaOrigins) {
  const quiet = 5 * 60_000;
  const isLater = !before || new Date(message.at) - new Date(before.at) > quiet;
  const facts = [plural(message.segments, "segment"), message.encoding, plural([...message.body].length, "character")];
  return el("li", {},
    isLater && el("time", { dateTime: message.at }, dayAndTime(message.at)),
    ...message.media.map((url) => media(url, mediaOrigins)),
    message.body && el("p", { className: "bubble" }, ...linked(message.body)),
    el("p", { className: "facts" }, facts.join(" · "), " ", copiesBadge(message.copies)));
}

// The browser may load images from Roundsman itself only; the rest is a link, as is what is no image.
function media(url, origins) {
  const link = outward(url, shortName(url));
  link.className = "bubble file";
  if (!origins.includes(new URL(url).origin)) return link;
  const image = el("img", { alt: "Picture in the message", referrerPolicy: "no-referrer" });
  image.addEventListener("error", () => image.replaceWith(link));
  image.src = url;
  return image;
}

function shortName(url) {
  const { hostname, pathname } = new URL(url);
  const last = pathname.split("/").filter(Boolean).at(-1) ?? "";
  try {
    return decodeURIComponent(last) || hostname;
  } catch {
    return last;
  }
}

/** Text with its http(s) addresses as links. */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)])/g).map((piece, index) =>
    index % 2 && URL.canParse(piece) ? outward(piece, piece) : piece);
}
