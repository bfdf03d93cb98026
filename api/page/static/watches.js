// The watches: the form and the buttons call the API, and the list is drawn by the server.
import { ask } from "./changes.js";
import { tell, word } from "./words.js";

export function followWatches(show) {
  document.querySelector("[data-watch-form]")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    if (!(await ask("POST", form.action, { wish: wishOf(form), button: form.querySelector("button") }))) return;
    document.querySelector("[data-watch-form]")?.reset(); // the page may have been drawn again meanwhile
    show(location.href, { push: false, announce: word("The watch is kept.") });
  });
  for (const button of document.querySelectorAll("[data-test]")) {
    button.addEventListener("click", async () => {
      const answer = await ask("POST", button.dataset.test, { button });
      if (answer) tell(word(answer.delivered ? "The address took the message." : "The address did not take the message. Check it, and add the watch again with the right one."));
    });
  }
  for (const button of document.querySelectorAll("[data-delete]")) {
    button.addEventListener("click", async () => {
      if (!confirm(word("Delete this watch?"))) return;
      if (await ask("DELETE", button.dataset.delete, { button })) show(location.href, { push: false, announce: word("The watch is deleted.") });
    });
  }
}

// What is empty is left out: the API has its own word for what is missing.
function wishOf(form) {
  const given = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
  const { column, operator, threshold, stations, quiet_from: from, quiet_until: until, hysteresis, ...rest } = given;
  const wish = Object.fromEntries(Object.entries(rest).filter(([, value]) => value));
  wish.condition = column === "silent" ? `silent ${threshold} h` : `${column} ${operator} ${threshold}`;
  if (stations) wish.stations = stations.split(",").map((name) => name.trim()).filter(Boolean);
  if (from || until) wish.quiet = `${from}-${until}`;
  if (hysteresis && column !== "silent") wish.hysteresis = Number(hysteresis);
  return wish;
}
