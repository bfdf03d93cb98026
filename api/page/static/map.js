// The map: hover and click, arrow keys from station to station, a click on a département, values where there is room.
import { drawLabels, placeLabels } from "./map_labels.js";
import { makeView } from "./map_view.js";
import { tell } from "./words.js";

export function enhanceMap(show) {
  const map = document.getElementById("map");
  if (!map) return;
  const rows = [...(document.querySelector("#stations tbody")?.rows ?? [])];
  const points = [...map.querySelectorAll(".points circle")];
  const tip = document.getElementById("tip");
  const cursor = map.querySelector(".cursor");
  const rowOf = (point) => rows[point.dataset.i];
  const headings = [...document.querySelectorAll("#stations thead th")];
  const column = headings.findIndex((cell) => "shown" in cell.dataset);
  const heading = headings[column]?.textContent.replace(/[▾▴]/, "").trim();
  const place = (point) => [Number(point.getAttribute("cx")), Number(point.getAttribute("cy"))];
  const valueOf = (point) => rowOf(point).cells[column].textContent;
  const describe = (point) => {
    const cells = rowOf(point).cells;
    return `${cells[0].textContent} (${cells[1].textContent}): ${valueOf(point)} · ${heading} · ${cells[cells.length - 1].textContent}`;
  };

  const view = makeView(map, () => requestAnimationFrame(label));
  new ResizeObserver(label).observe(map);
  const isDry = map.matches(".m-rain, .m-snow"); // there a nought says nothing
  let labelled = "";
  let ordered;
  function label() {
    const scale = map.getScreenCTM()?.a;
    if (!view || !points.length || !map.isConnected || !scale) return;
    const seen = view.seen();
    const now = `${seen.x} ${seen.y} ${seen.zoom} ${scale}`;
    if (now === labelled) return;
    labelled = now;
    ordered ??= importantFirst(points.map((point) => {
      const [x, y] = place(point);
      const text = valueOf(point).split(" ")[0].replace("–", "");
      return { x, y, text: isDry && /^0([.,]0)?$/.test(text) ? "" : text };
    }));
    const obstacles = [...map.querySelectorAll(".inset text")].map((text) => text.getBBox());
    const radius = parseFloat(getComputedStyle(points[0]).r) || 4;
    drawLabels(map, placeLabels(ordered, seen, { radius, unit: 1 / scale, obstacles }), 1 / scale);
  }

  map.addEventListener("pointermove", (event) => {
    const point = event.target.closest(".points circle");
    tip.hidden = !point;
    if (!point) return;
    tip.textContent = describe(point);
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  });
  map.addEventListener("pointerleave", () => { tip.hidden = true; });
  map.addEventListener("click", (event) => {
    const point = event.target.closest(".points circle");
    if (point) location.href = rowOf(point).querySelector("a").href;
    const land = event.target.closest(".lands path.own");
    if (land) choose(land.dataset.dept);
  });

  function choose(code) {
    const select = document.getElementById("dept");
    if (select.value === code) return;
    select.value = code;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // With the keyboard: arrows go to the next station that way, Enter opens it.
  if (!points.length) return;
  map.setAttribute("tabindex", "0");
  map.setAttribute("role", "application");
  let current = null;
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  map.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && current) location.href = rowOf(current).querySelector("a").href;
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    current = current === null ? points[0] : next(current, way) ?? current;
    const [x, y] = place(current);
    cursor.setAttribute("cx", x);
    cursor.setAttribute("cy", y);
    view.reveal([x, y]);
    tell(describe(current));
  });

  function next(from, [dx, dy]) {
    const [x, y] = place(from);
    let best = null;
    let least = Infinity;
    for (const point of points) {
      const [px, py] = place(point);
      const along = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (along > 0 && aside <= along * 1.5 && along + 2 * aside < least) [best, least] = [point, along + 2 * aside];
    }
    return best;
  }
}

// The extremes get room before all others.
function importantFirst(points) {
  const number = ({ text }) => parseFloat(text.replace(",", ".").replace("−", "-"));
  const measured = points.filter((point) => !Number.isNaN(number(point))).sort((a, b) => number(a) - number(b));
  return [...new Set([measured.at(-1), measured[0], ...points])].filter(Boolean);
}
