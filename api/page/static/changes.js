// Ask the API for a change. The key is asked for when the service wants one, and forgotten with the tab.
import { tell, word } from "./words.js";

// Gives what the API answered; null when it refused or nobody gave a key, which is said.
export async function ask(method, address, { wish, button } = {}) {
  if (button) button.disabled = true;
  try {
    let answer = await send(method, address, wish);
    while (answer.status === 401) {
      sessionStorage.removeItem("api-key");
      if (!(await askKey())) return null;
      answer = await send(method, address, wish);
    }
    const body = answer.status === 204 ? {} : await answer.json();
    if (answer.ok) return body;
    tell(`${body.title}. ${body.detail}. ${body.next_step}`);
  } catch {
    tell(word("The service does not answer. Trying again."));
  } finally {
    if (button) button.disabled = false;
  }
  return null;
}

function send(method, address, wish) {
  const key = sessionStorage.getItem("api-key");
  const headers = key ? { "X-API-Key": key } : {};
  if (!wish) return fetch(address, { method, headers });
  return fetch(address, { method, headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(wish) });
}

function askKey() {
  const dialog = document.getElementById("key-dialog");
  const field = document.getElementById("key");
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "ok" && field.value;
      if (given) sessionStorage.setItem("api-key", field.value);
      resolve(Boolean(given));
    }, { once: true });
  });
}
