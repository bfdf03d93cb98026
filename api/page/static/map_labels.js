// Values beside the points, where there is room: no label lies over another one or over a point.

const SIZE = 12; // pixels of a label's letters
const WIDE = 0.6; // of a digit, in its height
const CELL = 40; // of the grid that says what lies near, in the picture's units at no zoom

const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

// `points` are {x, y, text}, the most important first. Gives {x, y, text} of those that have room, x and y of their middle.
export function placeLabels(points, seen, { radius, unit, obstacles = [] }) {
  const cell = CELL / seen.zoom;
  const taken = new Map();
  const cellsOf = (box) => {
    const cells = [];
    for (let i = Math.floor(box.x / cell); i <= Math.floor((box.x + box.width) / cell); i += 1) {
      for (let j = Math.floor(box.y / cell); j <= Math.floor((box.y + box.height) / cell); j += 1) cells.push(`${i} ${j}`);
    }
    return cells;
  };
  const take = (box) => {
    for (const key of cellsOf(box)) taken.set(key, [...(taken.get(key) ?? []), box]);
  };
  const isFree = (box) => cellsOf(box).every((key) => !(taken.get(key) ?? []).some((other) => overlap(box, other)));
  const near = points.filter(({ x, y }) => x > seen.x - cell && x < seen.x + seen.width + cell && y > seen.y - cell && y < seen.y + seen.height + cell);
  for (const { x, y } of near) take({ x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius });

  obstacles.forEach(take);

  const labels = [];
  for (const { x, y, text } of near) {
    if (!text) continue;
    const [w, h] = [(text.length * WIDE * SIZE + 2) * unit, (SIZE + 1) * unit];
    const gap = radius + 1.5 * unit;
    const middles = [[x + gap + w / 2, y], [x - gap - w / 2, y], [x, y - gap - h / 2], [x, y + gap + h / 2]];
    for (const [mx, my] of middles) {
      const box = { x: mx - w / 2, y: my - h / 2, width: w, height: h };
      const isInside = box.x >= seen.x && box.y >= seen.y && box.x + w <= seen.x + seen.width && box.y + h <= seen.y + seen.height;
      if (!isInside || !isFree(box)) continue;
      take(box);
      labels.push({ x: mx, y: my, text });
      break;
    }
  }
  return labels;
}

// Write the labels into their group; `--label` is the height of letters in the picture's units.
export function drawLabels(map, labels, unit) {
  map.style.setProperty("--label", `${SIZE * unit}px`);
  map.querySelector(".values").replaceChildren(...labels.map(({ x, y, text }) => {
    const label = document.createElementNS("http://www.w3.org/2000/svg", "text");
    label.setAttribute("x", x.toFixed(2));
    label.setAttribute("y", y.toFixed(2));
    label.textContent = text;
    return label;
  }));
}
