// The API's hours as the points of curves: one for an hour, or for a day or a week where an hour would be less than a pixel.

export const TIME = "observed_at";

const HOUR = 3600000;
const MOST_POINTS = 800;
const SPANS = [1, 24, 168]; // hours

// How a field becomes one value of several: everything else is the mean of what was measured.
const LEAST = ["temperature_min_c"];
const MOST = ["temperature_max_c", "gust_kmh", "snow_depth_cm"];
const SUM = ["precipitation_mm"];
const LAST = ["wind_direction_deg", "rain_sum"];

export function readPoints(rows) {
  const hours = readHours(rows);
  const span = SPANS.find((candidate) => hours.length / candidate <= MOST_POINTS) ?? SPANS.at(-1);
  const points = span === 1 ? hours : gather(hours, span);
  return breakAtGaps(points, span);
}

export const hoursPerPoint = (points) => (points.length ? Math.round((points[0][TIME] - points[0].from) / HOUR) : 1);

// Times come in the reader's zone with their offset. They are shown as they read, whatever zone the browser is in.
function readHours(rows) {
  let rain = 0;
  return rows.map(({ station_id: _id, station_name: _name, ...row }) => {
    rain += row.precipitation_mm ?? 0;
    const at = Date.parse(`${row[TIME].slice(0, 19)}Z`);
    const gust = row.gust_ms === null ? null : row.gust_ms * 3.6;
    return { ...row, [TIME]: at, from: at - HOUR, gust_kmh: gust, rain_sum: Math.round(rain * 10) / 10 };
  });
}

// An hour belongs to the span it ends in: midnight to the day before.
function gather(hours, span) {
  const groups = new Map();
  for (const hour of hours) {
    const number = Math.ceil(hour[TIME] / (span * HOUR));
    if (groups.has(number)) groups.get(number).push(hour);
    else groups.set(number, [hour]);
  }
  return [...groups].map(([number, members]) => {
    const point = { from: (number - 1) * span * HOUR, [TIME]: number * span * HOUR };
    for (const name of Object.keys(members[0])) {
      if (name !== TIME && name !== "from") point[name] = one(name, members.map((hour) => hour[name]).filter((value) => value !== null), span);
    }
    return point;
  });
}

function one(name, values, span) {
  if (!values.length) return null;
  if (LEAST.includes(name)) return Math.min(...values);
  if (MOST.includes(name)) return Math.max(...values);
  if (LAST.includes(name)) return values.at(-1);
  const sum = values.reduce((total, value) => total + value, 0);
  if (SUM.includes(name)) return values.length === span ? sum : null; // as in the tables: a missing hour, no sum
  return sum / values.length;
}

// An empty point where some are missing, so that no line is drawn across.
function breakAtGaps(points, span) {
  return points.flatMap((point, index) => {
    const before = points[index - 1];
    const isGap = before && point[TIME] - before[TIME] > span * HOUR;
    return isGap ? [{ [TIME]: before[TIME] + span * HOUR, from: before[TIME] }, point] : [point];
  });
}
