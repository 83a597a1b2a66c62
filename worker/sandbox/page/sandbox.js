// The page: asks once a second what arrived, and shows it.

import { fillWelcome, showAddresses } from "./addresses.js";
import { byId, plural } from "./dom.js";
import { ArrivalList, grouped } from "./arrivals.js";
import { MailReader } from "./mail.js";
import { Phone } from "./phone.js";

const EVERY_MS = 1000;
const LIMIT = 300;

const mail = new MailReader(byId("mail"), close);
const phone = new Phone(byId("phone"), close);
const list = new ArrivalList(byId("list"), { choose, open });

const state = {
  rows: [],
  tag: null,
  paused: false,
  chosen: { sms: null, email: null }, // the row key that somebody chose; null: follow the newest
  mediaOrigins: [],
};

function query() {
  const channel = document.querySelector("input[name=channel]:checked").value;
  return new URLSearchParams({ limit: LIMIT, to: byId("search").value, ...(channel && { channel }) });
}

async function refresh() {
  const url = `/sandbox/api/messages?${query()}`;
  const [answer, counts] = await Promise.all([fetch(url, { cache: "no-cache" }), fetch("/sandbox/api/counts")]);
  const tag = `${url} ${answer.headers.get("etag")}`;
  const [messages, totals] = [await answer.json(), await counts.json()];
  if (`/sandbox/api/messages?${query()}` !== url) return; // typed meanwhile: that search answers itself
  showTotals(totals);
  if (tag === state.tag) {
    list.refreshTimes();
    return;
  }
  state.tag = tag;
  state.rows = grouped(messages);
  show(totals);
}

function showTotals(totals) {
  byId("sms-count").textContent = totals.sms.toLocaleString();
  byId("email-count").textContent = totals.email.toLocaleString();
  const duplicates = totals.duplicates + totals.smsDuplicates;
  byId("duplicates").textContent = duplicates ? plural(duplicates, "duplicate") : "";
  if (!state.paused) setLive("on", "Live");
}

function show(totals) {
  const isEmpty = totals.sms + totals.email === 0;
  byId("welcome").hidden = !isEmpty;
  byId("main").hidden = isEmpty;
  byId("nothing-found").hidden = isEmpty || state.rows.length > 0;
  if (isEmpty) close();
  const sms = current("sms");
  const email = current("email");
  if (!sms !== !email) byId("main").dataset.shown = sms ? "sms" : "email";
  phone.show(sms, state.mediaOrigins);
  mail.show(email);
  list.show(state.rows, [sms?.key, email?.key]);
}

function current(channel) {
  const ofChannel = state.rows.filter((row) => row.channel === channel);
  return ofChannel.find((row) => row.key === state.chosen[channel]) ?? ofChannel[0] ?? null;
}

function choose(row) {
  state.chosen[row.channel] = row.key;
  byId("main").dataset.shown = row.channel;
  if (row.channel === "sms") phone.show(row, state.mediaOrigins);
  else mail.show(row);
  list.mark([current("sms")?.key, current("email")?.key]);
}

// In a narrow window the message covers the list until it is closed.
function open(row) {
  choose(row);
  byId("main").classList.add("open");
  (row.channel === "sms" ? phone : mail).focus();
}

function close() {
  if (!byId("main").classList.contains("open")) return;
  byId("main").classList.remove("open");
  byId("list").focus();
}

function setLive(kind, text) {
  const live = byId("live");
  live.dataset.kind = kind;
  if (live.textContent !== text) live.textContent = text;
}

function pause() {
  state.paused = !state.paused;
  byId("pause").setAttribute("aria-pressed", state.paused);
  byId("pause").textContent = state.paused ? "Resume" : "Pause";
  if (state.paused) setLive("paused", "Paused");
  else attempt();
}

async function clear() {
  await fetch("/sandbox/api/messages", { method: "DELETE" });
  state.chosen = { sms: null, email: null };
  await attempt();
}

async function attempt() {
  try {
    await refresh();
  } catch {
    setLive("lost", "The sandbox does not answer");
  }
}

async function tick() {
  if (!state.paused && !document.hidden) await attempt();
  setTimeout(tick, EVERY_MS);
}

byId("pause").addEventListener("click", pause);
byId("clear").addEventListener("click", clear);
byId("search").addEventListener("input", attempt);
document.querySelectorAll("input[name=channel]").forEach((radio) => {
  radio.addEventListener("change", () => {
    if (radio.value) byId("main").dataset.shown = radio.value;
    attempt();
  });
});
document.addEventListener("visibilitychange", () => !document.hidden && !state.paused && attempt());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("addresses").open) close();
  if (event.key === "/" && !event.target.matches("input")) {
    event.preventDefault();
    byId("search").focus();
  }
});

const about = await (await fetch("/sandbox/api/about")).json();
state.mediaOrigins = about.mediaOrigins;
fillWelcome(about);
byId("show-addresses").addEventListener("click", () => showAddresses(about));
tick();
