// What the scripts say, translated by the server.
export function word(text) {
  const words = JSON.parse(document.getElementById("words").textContent);
  return words[text] ?? text;
}

// Say something to everybody, screen readers included; it goes away by itself.
let forgetting;
export function tell(text) {
  const news = document.getElementById("news");
  news.textContent = text;
  clearTimeout(forgetting);
  forgetting = setTimeout(() => { news.textContent = ""; }, 8000);
}

export const locale = () => document.documentElement.lang;
