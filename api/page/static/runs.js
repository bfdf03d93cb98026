// The runs: buttons that call the API, and a run followed live by its event stream.
import { ask } from "./changes.js";
import { locale, word } from "./words.js";

let stream = null;

export function followRuns(show) {
  document.querySelector("[data-run-form]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const wish = new URLSearchParams([...new FormData(event.target)].filter(([, value]) => value));
    change(`${event.target.action}?${wish}`, "The run is requested.", show);
  });
  for (const button of document.querySelectorAll("[data-change]")) {
    button.addEventListener("click", () => change(button.dataset.change, button.dataset.said, show, button));
  }
  listen(document.querySelector("#run[data-live]"), show);
}

async function change(address, said, show, button) {
  const run = await ask("POST", address, { button });
  if (!run) return;
  const url = new URL(location.href);
  url.searchParams.set("run", run.id);
  await show(url.href, { announce: word(run.coalesced ? "The same run is already in progress: here it is." : said) });
}

// Everything so far comes first, so what the server drew is replaced as the events tell it again.
function listen(section, show) {
  stream?.close();
  stream = null;
  if (!section) return;
  const mine = stream = new EventSource(section.dataset.events);
  const nodes = section.querySelector("#nodes");
  const packets = section.querySelector("#packets tbody");
  const seconds = new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const count = new Intl.NumberFormat(locale());
  nodes.replaceChildren();
  packets.replaceChildren();
  let lines = Number(section.dataset.lines);

  on("state", (state) => {
    const pill = section.querySelector("[data-state] .state");
    const names = JSON.parse(section.querySelector("[data-state]").dataset.names);
    pill.className = `state ${state.type.toLowerCase()}`;
    pill.textContent = names[state.type];
  });
  on("packet", (packet) => {
    const row = packets.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = packet.error ? `${packet.name} · ${packet.error}` : packet.name;
    row.append(name);
    for (const value of [packet.new, packet.changed, packet.unchanged]) {
      const cell = row.insertCell();
      cell.className = "n";
      cell.textContent = value === null || value === undefined ? "–" : count.format(value);
    }
  });
  on("node", (node) => {
    const item = document.createElement("li");
    item.textContent = `${node.name}: ${node.status}, ${seconds.format(node.seconds)} s`;
    nodes.append(item);
    const bar = section.querySelector("progress");
    if (node.of) [bar.max, bar.value] = [node.of, node.n];
    section.querySelector("[data-count]").textContent = node.of ? `${node.n} ${word("of")} ${node.of}` : node.n;
  });
  on("end", () => {
    mine.close();
    show(location.href, { push: false, announce: word("The run has ended") });
  });

  function on(kind, act) {
    mine.addEventListener(kind, (event) => {
      if (mine !== stream) return;
      act(JSON.parse(event.data));
      readLog();
    });
  }

  // The log has a page of its own; what is new of it is asked for at most every second.
  let reading = false;
  async function readLog() {
    if (reading) return;
    reading = true;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    try {
      const answer = mine === stream && (await fetch(`${section.dataset.log}?offset=${lines}`));
      const log = document.getElementById("log");
      if (answer?.ok && log) {
        const clock = new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
        for (const line of (await answer.json()).lines) {
          const text = document.createElement("span");
          text.className = line.level;
          text.textContent = `${clock.format(new Date(line.at))} ${line.message}\n`;
          log.append(text);
          lines += 1;
        }
        log.scrollTop = log.scrollHeight;
      }
    } catch { /* the end of the run shows the whole log */ }
    reading = false;
  }
}
