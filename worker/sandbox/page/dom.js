// Building the page and writing values for people. Whatever came in a message goes in as text, never as HTML.

/** An element with properties (`class`, `aria-…`, `data-…` and the like become attributes) and children. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name === "className" ? "class" : name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** +18042221111 → +1 (804) 222-1111; anything else as it is. */
export function phoneNumber(text) {
  const match = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(text ?? "");
  return match ? `+1 (${match[1]}) ${match[2]}-${match[3]}` : (text ?? "");
}

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const dated = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });

const weekday = new Intl.DateTimeFormat([], { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export const dayAndTime = (at) => weekday.format(new Date(at));
export const timeOfDay = (at) => clock.format(new Date(at));
export const fullTime = (at) => dated.format(new Date(at));

/** "now", "3 min", or the time of day. */
export function ago(at) {
  const minutes = Math.floor((Date.now() - new Date(at)) / 60_000);
  if (minutes < 1) return "now";
  return minutes < 60 ? `${minutes} min` : timeOfDay(at);
}

/** 12345 → "12 kB" */
export function size(bytes) {
  const units = ["B", "kB", "MB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** The badge of a message that arrived more than once. */
export function copiesBadge(copies, text = `arrived ${copies}×`) {
  if (copies < 2) return null;
  return el("span", { className: "badge warn", title: `The very same message arrived ${copies} times` }, text);
}

/** A link that leaves the page without telling where from. */
export function outward(url, ...children) {
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, ...children);
}
