"use strict";

const summary = document.getElementById("summary");
const again = document.getElementById("again");
const rows = document.getElementById("calls");

let csrf = ""; // the token that the API handed out last

/** Make a call from the origin that it asks for: this page's, another one's, or a sandboxed frame's. */
async function performFrom(call, page) {
  if (call.origin === page.front) {
    return perform(call);
  }
  const frame = document.createElement("iframe");
  frame.hidden = true;
  if (call.origin === "null") {
    frame.sandbox = "allow-scripts"; // without allow-same-origin, its origin is opaque: "null"
  }
  frame.src = call.origin === "null" ? "frame.html" : `${call.origin}/frame.html`;
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
  const answered = new Promise((resolve) => {
    addEventListener("message", function listen(event) {
      if (event.source === frame.contentWindow) {
        removeEventListener("message", listen);
        resolve(event.data);
      }
    });
  });
  const missing = { blocked: "the frame does not load", answers: false };
  const late = new Promise((resolve) => setTimeout(resolve, 10_000, missing));
  document.body.append(frame);
  await loaded;
  frame.contentWindow.postMessage(call, call.origin === "null" ? "*" : call.origin);
  const result = await Promise.race([answered, late]);
  frame.remove();
  return result;
}

/** Compare what was expected with what happened. client.py does the same. */
function judge(expect, result) {
  if (result.blocked) {
    const got = result.answers ? ["blocked", result.blocked] : ["no answer", result.blocked];
    return { passed: Boolean(expect.blocked) && result.answers, got };
  }
  const body = parse(result.body);
  let passed = !expect.blocked && result.status === expect.status && result.redirected === Boolean(expect.redirected);
  const words = [String(result.status)];
  for (const name of [...(expect.readable ?? []), ...(expect.hidden ?? [])]) {
    const value = result.headers[name.toLowerCase()];
    passed &&= (value !== undefined) === (expect.readable ?? []).includes(name);
    words.push(value === undefined ? `${name} hidden` : `${name}: ${value}`);
  }
  for (const [name, value] of Object.entries(expect.json ?? {})) {
    passed &&= body[name] === value;
    words.push(`${name}: ${body[name]}`);
  }
  if (expect.body) {
    passed &&= result.body !== "";
    words.push(result.body === "" ? "no body" : "body readable");
  }
  if (result.redirected) {
    words.push("redirected");
  }
  return { passed, got: words };
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

// --- the page ---------------------------------------------------------------------------------------------------

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) {
    made.className = className;
  }
  return made;
}

function row(call, page) {
  const made = document.createElement("tr");
  made.dataset.call = call.name;

  const title = element("th", call.title);
  title.scope = "row";
  title.append(element("span", call.why, "why"));

  const path = cell(element("code", new URL(call.url).pathname));
  if (!call.url.startsWith(`${page.api}/`)) {
    path.append(element("span", `on ${new URL(call.url).host}`, "why"));
  }
  if (call.origin !== page.front) {
    path.append(element("span", `from ${call.origin.replace("http://", "")}`, "why"));
  }

  const headers = Object.entries(call.headers).map(([name, value]) => {
    const line = element("span", "", "line");
    line.append(element("code", `${name}:`), " ", element("code", value === "{csrf}" ? "the token" : value, "value"));
    return line;
  });

  made.append(
    cell(),
    title,
    cell(element("code", call.method)),
    path,
    cell(element("code", call.credentials)),
    cell(...(headers.length ? headers : [element("span", "none", "value")])),
    cell(...call.expected.map((words) => element("span", words, "line words"))),
    cell(),
  );
  show(made, "waiting", "waiting", []);
  return made;
}

function cell(...children) {
  const made = document.createElement("td");
  made.append(...children);
  return made;
}

/** A word and a sign beside the colour: not everyone sees red and green. */
function show(line, result, word, got) {
  line.dataset.result = result;
  line.cells[0].replaceChildren(element("span", word, "badge"));
  line.cells[line.cells.length - 1].replaceChildren(...got.map((words) => element("span", words, "line words")));
}

async function run(page) {
  again.disabled = true;
  const lines = page.calls.map((call) => row(call, page));
  rows.replaceChildren(...lines);
  let passed = 0;
  summarize("running", page.calls.length, 0, 0);
  for (const [index, call] of page.calls.entries()) {
    const headers = Object.fromEntries(
      Object.entries(call.headers).map(([name, value]) => [name, value.replace("{csrf}", csrf)]),
    );
    const result = await performFrom({ ...call, headers }, page);
    csrf = parse(result.body).csrf ?? csrf;
    const verdict = judge(call.expect, result);
    show(lines[index], verdict.passed ? "ok" : "failed", verdict.passed ? "✓ ok" : "✗ failed", verdict.got);
    passed += verdict.passed;
  }
  summarize("done", page.calls.length, passed, page.calls.length - passed);
  again.disabled = false;
}

function summarize(state, total, passed, failed) {
  Object.assign(summary.dataset, { state, total, passed, failed });
  if (state === "running") {
    summary.textContent = `Making ${total} calls…`;
  } else if (failed) {
    summary.textContent = `✗ ${failed} of ${total} calls did not go as expected`;
  } else {
    summary.textContent = `✓ All ${total} calls went as expected`;
  }
}

async function start() {
  const page = await (await fetch("page.json")).json();
  document.documentElement.dataset.tenant = page.name;
  document.title = `${page.name} · CORS, call by call`;
  for (const [id, text] of Object.entries({ tenant: page.name, front: page.front, origin: page.front, api: page.api })) {
    document.getElementById(id).textContent = text;
  }
  document.getElementById("other").href = page.other;
  document.getElementById("admin").href = page.admin;
  again.addEventListener("click", () => run(page));
  await run(page);
}

start();
