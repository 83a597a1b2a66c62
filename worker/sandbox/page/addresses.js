// The first command to try, and the table of addresses that misbehave on purpose.

import { byId, el, phoneNumber } from "./dom.js";

const FIRST_MESSAGE = {
  externalPhoneNumber: "+1 804-222-1111",
  externalEmail: "pat@example.com",
  text: "Hello Pat, your car is ready.",
};

export function fillWelcome(about) {
  const key = about.intakeNeedsKey ? ["  -H 'Authorization: Bearer YOUR_KEY' \\"] : [];
  byId("key-note").hidden = !about.intakeNeedsKey;
  byId("command").textContent = [
    `curl ${about.intakeUrl}/api/messages \\`,
    "  -H 'Content-Type: application/json' \\",
    ...key,
    `  -d '${JSON.stringify(FIRST_MESSAGE, null, 4).replace("\n}", "\n  }")}'`,
  ].join("\n");
  byId("copy").addEventListener("click", (event) => copy(byId("command").textContent, event.currentTarget));
  byId("welcome-addresses").replaceChildren(
    el("h3", {}, "Addresses that misbehave on purpose"), ...tables(about.behaviours));
}

export function showAddresses(about) {
  byId("dialog-addresses").replaceChildren(...tables(about.behaviours));
  byId("addresses").showModal();
}

function tables(behaviours) {
  return [
    el("p", {}, "Every other address is accepted. Press one to copy it."),
    table("E-mail", behaviours.filter((behaviour) => behaviour.channel === "email")),
    table("SMS", behaviours.filter((behaviour) => behaviour.channel === "sms")),
  ];
}

function table(title, behaviours) {
  return el("table", { className: "addresses" },
    el("caption", {}, title),
    el("thead", {}, el("tr", {}, ...["Address", "What it does", "Answer"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...behaviours.map(({ address, does, code }) => el("tr", {},
      el("td", {}, el("button", { type: "button", className: "address", title: "Copy",
        onclick: (event) => copy(address, event.currentTarget) }, phoneNumber(address))),
      el("td", {}, does),
      el("td", {}, code ? el("code", {}, code) : "none")))));
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
    getSelection().selectAllChildren(byId("command"));
  }
  setTimeout(() => { button.textContent = before; }, 1200);
}
