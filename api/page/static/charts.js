// The curves of a station. Vega comes after the page; its interpreter makes do without eval, which the page forbids.
import { hoursPerPoint, readPoints, TIME } from "./points.js";
import { locale, tell, word } from "./words.js";

let loading;
function loadVega() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.charts;
    script.onload = resolve;
    script.onerror = () => { loading = undefined; reject(new Error("charts")); };
    document.head.append(script);
  });
  return loading;
}

const NOTES = {
  24: "Each point is a day: means, extremes and sums of its hours.",
  168: "Each point is a week: means, extremes and sums of its hours.",
};

let drawn = []; // views to end before others are drawn
let turn = 0;

export async function drawCharts() {
  const mine = ++turn;
  for (const view of drawn.splice(0)) view.finalize();
  const place = document.getElementById("charts");
  const plots = [...(place?.querySelectorAll("[data-chart]") ?? [])];
  if (!plots.length) return;
  let points;
  try {
    const rows = fetch(place.dataset.hours).then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error("hours"))));
    const [answer] = await Promise.all([rows, loadVega()]);
    points = readPoints(answer.data);
  } catch (error) {
    tell(word(error.message === "charts"
      ? "No charts: the chart library did not load. The tables below have the same values."
      : "No charts: the observations did not load. Reload the page."));
    return;
  }
  for (const plot of plots) {
    if (mine !== turn) return;
    const { view } = await window.vegaEmbed(plot, chart(plot.dataset.chart, points), options());
    drawn.push(view);
  }
  document.getElementById("points-note").textContent = NOTES[hoursPerPoint(points)] ? word(NOTES[hoursPerPoint(points)]) : "";
  place.dataset.drawn = plots.length;
  performance.mark("curves-drawn");
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options() {
  const [soft, line, ink] = ["--soft", "--line", "--ink"].map(colour);
  const dates = (form) => Array.from({ length: form.length }, (_, index) => form.make(index));
  const month = (style) => dates({ length: 12, make: (index) => new Intl.DateTimeFormat(locale(), { month: style, timeZone: "UTC" }).format(Date.UTC(2024, index, 5)) });
  const day = (style) => dates({ length: 7, make: (index) => new Intl.DateTimeFormat(locale(), { weekday: style, timeZone: "UTC" }).format(Date.UTC(2024, 8, index + 1)) });
  const parts = new Intl.NumberFormat(locale()).formatToParts(12345.6);
  const part = (type, otherwise) => parts.find((found) => found.type === type)?.value ?? otherwise;
  return {
    actions: false, ast: true, renderer: "canvas", defaultStyle: false,
    tooltip: { disableDefaultStyle: true, theme: "page" },
    formatLocale: { decimal: part("decimal", "."), thousands: part("group", ","), grouping: [3], currency: ["", ""] },
    timeFormatLocale: {
      dateTime: "%a %e %b %Y %H:%M", date: "%d/%m/%Y", time: "%H:%M", periods: ["", ""],
      days: day("long"), shortDays: day("short"), months: month("long"), shortMonths: month("short"),
    },
    config: {
      background: null, font: "system-ui, sans-serif", view: { stroke: null },
      axis: { labelColor: soft, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontWeight: "normal" },
      legend: { labelColor: ink, titleColor: soft, orient: "top", title: null, labelFontSize: 12, labelLimit: 320 },
    },
  };
}

// What the curves have in common: the time below, one rule that finds the nearest hour and tells its values.
function chart(kind, points) {
  const { layers, tips, resolve } = CHARTS[kind](points);
  const x = time(TIME);
  const tooltip = [{ field: TIME, type: "temporal", scale: { type: "utc" }, title: word("Time"), format: "%a %e %b %H:%M", timeUnit: "utcyearmonthdatehoursminutes" },
    ...tips.map(([field, title, format]) => ({ field, type: "quantitative", title: word(title), format }))];
  const ruler = {
    mark: { type: "rule", color: colour("--soft") },
    encoding: { x, opacity: { condition: { param: "near", empty: false, value: 0.7 }, value: 0 }, tooltip },
    params: [{ name: "near", select: { type: "point", fields: [TIME], on: "pointermove", nearest: true, clear: "pointerout" } }],
  };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    width: "container", height: 190, autosize: { type: "fit", contains: "padding" },
    data: { values: points },
    layer: [...layers.map((layer) => ({ ...layer, encoding: { x, ...layer.encoding } })), ruler],
    ...(resolve ? { resolve } : {}),
  };
}

const time = (field) => ({ field, type: "temporal", scale: { type: "utc" }, title: null, axis: { labelOverlap: true, tickCount: 7 } });
const y = (field, title, more = {}) => ({ field, type: "quantitative", title: null, ...more, axis: { title, ...more.axis } });
// A constant colour with a name in the legend.
const named = (names, colours) => (name) => ({ datum: word(name), scale: { domain: names.map(word), range: colours } });

const CHARTS = {
  temperature() {
    const names = ["Temperature", "Dew point", "Minimum to maximum"];
    const is = named(names, ["#d1495b", "#2a9d8f", "#e8a0a8"]);
    const scale = { zero: false };
    return {
      layers: [
        { mark: { type: "area", opacity: 0.45, invalid: "break-paths-show-domains" }, encoding: { y: y("temperature_min_c", "°C", { scale }), y2: { field: "temperature_max_c" }, color: is(names[2]) } },
        { mark: { type: "line", strokeWidth: 1.6, strokeDash: [4, 3], invalid: "break-paths-show-domains" }, encoding: { y: y("dew_point_c", "°C", { scale }), color: is(names[1]) } },
        { mark: { type: "line", strokeWidth: 2, invalid: "break-paths-show-domains" }, encoding: { y: y("temperature_c", "°C", { scale }), color: is(names[0]) } },
      ],
      tips: [["temperature_c", "Temperature", ".1f"], ["dew_point_c", "Dew point", ".1f"]],
    };
  },
  rain() {
    const names = ["Rain", "Rain, cumulated"];
    const is = named(names, ["#3d8bd1", "#8a5cd1"]);
    return {
      layers: [
        // From the beginning to the end of the time it fell in.
        { mark: { type: "rect" }, encoding: { x: time("from"), x2: { field: TIME }, y: y("precipitation_mm", "mm", { scale: { domainMin: 0 } }), y2: { datum: 0 }, color: is(names[0]) } },
        { mark: { type: "line", strokeWidth: 1.8, interpolate: "step-after" }, encoding: { y: y("rain_sum", "Σ mm", { scale: { domainMin: 0 }, axis: { orient: "right", grid: false } }), color: is(names[1]) } },
      ],
      resolve: { scale: { y: "independent" } },
      tips: [["precipitation_mm", "Rain", ".1f"], ["rain_sum", "Rain, cumulated", ".1f"]],
    };
  },
  wind() {
    const names = ["Mean wind", "Gust", "Wind from"];
    const is = named(names, ["#2f7d4f", "#d98324", "#6b7a8c"]);
    return {
      layers: [
        { mark: { type: "line", strokeWidth: 1.2, strokeDash: [2, 2], invalid: "break-paths-show-domains" }, encoding: { y: y("gust_kmh", "km/h"), color: is(names[1]) } },
        { mark: { type: "line", strokeWidth: 2, invalid: "break-paths-show-domains" }, encoding: { y: y("wind_speed_kmh", "km/h"), color: is(names[0]) } },
        // An arrow flies with the wind: it comes from `wind_direction_deg` and points the other way. Forty of them at most.
        {
          transform: [{ window: [{ op: "row_number", as: "row" }] }, { joinaggregate: [{ op: "count", as: "rows" }] },
            { filter: "isValid(datum.wind_direction_deg) && datum.row % ceil(datum.rows / 40) == 0" }],
          mark: { type: "point", filled: true, size: 110, shape: "M0,-1L0.45,0.7L0,0.4L-0.45,0.7Z", y: 6 },
          encoding: { angle: { field: "arrow", type: "quantitative", scale: null }, color: is(names[2]) },
        },
      ].map((layer) => (layer.transform ? { ...layer, transform: [...layer.transform, { calculate: "datum.wind_direction_deg + 180", as: "arrow" }] } : layer)),
      tips: [["wind_speed_kmh", "Mean wind", ".0f"], ["gust_kmh", "Gust", ".0f"], ["wind_direction_deg", "Wind from", ".0f"]],
    };
  },
  pressure() {
    const names = ["Pressure at sea level", "Pressure at the station"];
    const is = named(names, ["#5a67c7", "#a56cc1"]);
    const scale = { zero: false };
    return {
      layers: [
        { mark: { type: "line", strokeWidth: 1.4, strokeDash: [4, 3], invalid: "break-paths-show-domains" }, encoding: { y: y("pressure_hpa", "hPa", { scale, axis: { orient: "right", grid: false } }), color: is(names[1]) } },
        { mark: { type: "line", strokeWidth: 2, invalid: "break-paths-show-domains" }, encoding: { y: y("sea_level_pressure_hpa", "hPa", { scale }), color: is(names[0]) } },
      ],
      resolve: { scale: { y: "independent" } },
      tips: [["sea_level_pressure_hpa", "Pressure at sea level", ".1f"], ["pressure_hpa", "Pressure at the station", ".1f"]],
    };
  },
  snow(points) {
    const deepest = Math.max(5, ...points.map((point) => point.snow_depth_cm ?? 0)); // a bare ground is a flat line, not an empty picture
    const is = named(["Snow depth"], ["#4fa3d1"]);
    return {
      layers: [{ mark: { type: "area", opacity: 0.6, line: true, invalid: "break-paths-show-domains" }, encoding: { y: y("snow_depth_cm", "cm", { scale: { domain: [0, deepest] } }), color: is("Snow depth") } }],
      tips: [["snow_depth_cm", "Snow depth", ".0f"]],
    };
  },
};
