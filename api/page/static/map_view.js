// Zoom and pan: only the picture's viewBox moves, so points and outlines stay what the server drew.

const DEEPEST = 30;
const STEP = 1.6; // of a button or a key
const A_CLICK = 5; // pixels that a finger may move and still mean a click

let kept = null; // what was looked at, for the map that follows with the same lands

export function makeView(map, changed) {
  const [, , width, height] = map.getAttribute("viewBox").split(" ").map(Number);
  const lands = map.querySelector(".lands").innerHTML;
  let box = kept?.lands === lands ? kept.box : { x: 0, y: 0, zoom: 1 };
  set(box);

  function set({ x, y, zoom }) {
    const deep = Math.min(DEEPEST, Math.max(1, zoom));
    const [w, h] = [width / deep, height / deep];
    box = { x: Math.min(width - w, Math.max(0, x)), y: Math.min(height - h, Math.max(0, y)), zoom: deep };
    kept = { lands, box };
    map.setAttribute("viewBox", `${box.x} ${box.y} ${w} ${h}`);
    map.style.setProperty("--k", 1 / deep);
    map.style.setProperty("--grown", Math.min(2, deep ** 0.35)); // points grow a little, as there is room for them
    map.classList.toggle("zoomed", deep > 1);
    changed?.();
  }

  // Zoom so that the place under (x, y), in the picture's units, stays where it is.
  function zoomBy(factor, [x, y] = centre()) {
    const zoom = Math.min(DEEPEST, Math.max(1, box.zoom * factor));
    const share = box.zoom / zoom;
    set({ x: x - (x - box.x) * share, y: y - (y - box.y) * share, zoom });
  }

  const centre = () => [box.x + width / box.zoom / 2, box.y + height / box.zoom / 2];
  const pan = (dx, dy) => set({ ...box, x: box.x + dx, y: box.y + dy });
  const placeOf = ({ clientX, clientY }) => {
    const point = new DOMPoint(clientX, clientY).matrixTransform(map.getScreenCTM().inverse());
    return [point.x, point.y];
  };

  map.addEventListener("wheel", (event) => {
    const factor = Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002));
    if (factor < 1 && box.zoom === 1) return; // nothing to zoom out of: the page scrolls
    event.preventDefault();
    zoomBy(factor, placeOf(event));
  }, { passive: false });

  // One finger or the mouse pans, two fingers zoom. A drag is no click on what lies below its end.
  const fingers = new Map();
  let wasDragged = false;
  map.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button) return;
    if (!fingers.size) wasDragged = false;
    fingers.set(event.pointerId, { at: placeOf(event), from: [event.clientX, event.clientY] });
  });
  map.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    const moved = Math.hypot(event.clientX - finger.from[0], event.clientY - finger.from[1]);
    if (!wasDragged && moved < A_CLICK) return;
    if (!wasDragged) map.setPointerCapture(event.pointerId);
    wasDragged = true;
    const now = placeOf(event);
    if (others.length) {
      const [other] = others;
      const before = Math.hypot(finger.at[0] - other.at[0], finger.at[1] - other.at[1]);
      const after = Math.hypot(now[0] - other.at[0], now[1] - other.at[1]);
      if (before && after) zoomBy(after / before, other.at);
      finger.at = placeOf(event);
    } else if (box.zoom > 1) {
      pan(finger.at[0] - now[0], finger.at[1] - now[1]);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    map.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  map.addEventListener("click", (event) => {
    if (!wasDragged) return;
    wasDragged = false;
    event.stopImmediatePropagation();
  }, { capture: true });

  const buttons = document.querySelector(".zoom");
  buttons.hidden = false;
  const acts = { in: () => zoomBy(STEP), out: () => zoomBy(1 / STEP), all: () => set({ x: 0, y: 0, zoom: 1 }) };
  buttons.addEventListener("click", (event) => acts[event.target.dataset.zoom]?.());

  const keys = { "+": "in", "=": "in", "-": "out", 0: "all" };
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  map.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = event.shiftKey && ways[event.key];
    if (!way && !keys[event.key]) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (way) pan(way[0] * width / box.zoom / 6, way[1] * height / box.zoom / 6);
    else acts[keys[event.key]]();
  });

  return {
    seen: () => ({ x: box.x, y: box.y, width: width / box.zoom, height: height / box.zoom, zoom: box.zoom }),
    // Bring a place into the picture.
    reveal([x, y]) {
      const [w, h] = [width / box.zoom, height / box.zoom];
      const inside = x > box.x && x < box.x + w && y > box.y && y < box.y + h;
      if (!inside) set({ x: x - w / 2, y: y - h / 2, zoom: box.zoom });
    },
  };
}
