// SPDX-License-Identifier: Apache-2.0
/*
 * Bars or lines of a result, in SVG. The first column that isn't drawn names the places along the axis; each column of numbers is a series. Numbers are
 * doubles here, which is as exact as a drawing is; the table has them as they are.
 */

const SERIES_MOST = 4;
const PLACES_MOST = 500;
const DRAWN_MOST = 1e300; // beyond it sums of two are infinite
const HIGH = 320;
const EDGE = { left: 64, right: 12, top: 12, bottom: 44 };

function isDrawn(rows, at) {
  return rows.some((row) => row[at] instanceof Numeral) && rows.every((row) => row[at] === null || row[at] instanceof Numeral);
}

/** What can be drawn of it: {label, series, lines}; null: nothing. */
function planChart(columns, rows) {
  const drawn = columns.map((_, at) => at).filter((at) => isDrawn(rows, at));
  let label = columns.findIndex((_, at) => !drawn.includes(at));
  if (label < 0 && drawn.length > 1) label = drawn.shift();
  const series = drawn.filter((at) => at !== label).slice(0, SERIES_MOST);
  if (rows.length === 0 || series.length === 0) return null;
  return { label, series, lines: rows.length > 30 };
}

// Steps of 1, 2 or 5 times a power of ten, about five of them; never so small that doubles of this size can't tell them apart.
function ticks(low, high) {
  const rough = Math.max((high - low) / 5, Math.max(Math.abs(low), Math.abs(high)) * 1e-12) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999) ?? rough;
  const begin = Math.floor(low / step);
  const count = Math.max(1, Math.ceil(high / step) - begin);
  return Array.from({ length: count + 1 }, (_, at) => (begin + at) * step);
}

function short(number) {
  const size = Math.abs(number);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return number.toExponential(1);
  const [scale, unit] = size >= 1e12 ? [1e12, "T"] : size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  return `${Number((number / scale).toPrecision(4))}${unit}`;
}

const nameOf = (value) => (value === null ? "NULL" : bytesOf(value) ? "BLOB" : String(value));

function drawAxes(svg, wide, steps, y, rows, plan, x) {
  for (const step of steps) {
    svg.append(makeSvg("line", { class: "grid", x1: EDGE.left, x2: wide - EDGE.right, y1: y(step), y2: y(step) }),
      makeSvg("text", { class: "axis", x: EDGE.left - 8, y: y(step) + 4, "text-anchor": "end" }, short(step)));
  }
  const every = Math.ceil(rows.length / Math.max(2, Math.floor(wide / 90)));
  rows.forEach((row, at) => {
    if (at % every !== 0) return;
    const name = plan.label < 0 ? String(at + 1) : nameOf(row[plan.label]);
    svg.append(makeSvg("text", { class: "axis", x: x(at), y: HIGH - EDGE.bottom + 20, "text-anchor": "middle" }, name.length > 12 ? `${name.slice(0, 11)}…` : name));
  });
}

function drawBars(svg, values, nth, count, place, x, y) {
  const wide = Math.min(64, (place * 0.76) / count);
  values.forEach((value, at) => {
    if (value === null) return;
    const left = x(at) - (wide * count) / 2 + nth * wide;
    svg.append(makeSvg("rect", { class: `bar series${nth}`, x: left.toFixed(1), width: Math.max(1, wide - 1).toFixed(1), y: Math.min(y(0), y(value)).toFixed(1), height: Math.abs(y(value) - y(0)).toFixed(1), rx: 2 }));
  });
}

function drawLine(svg, values, nth, x, y) {
  let path = "";
  values.forEach((value, at) => {
    if (value !== null) path += `${path === "" || values[at - 1] === null ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  svg.append(makeSvg("path", { class: `line series${nth}`, d: path }));
}

/** The drawing, so many pixels wide, with its legend and what it leaves out. */
function showChart(columns, all, plan, lines, wide) {
  const rows = all.slice(0, PLACES_MOST);
  const drawn = (value) => (value === null || !(Math.abs(Number(value.text)) < DRAWN_MOST) ? null : Number(value.text));
  const series = plan.series.map((at) => rows.map((row) => drawn(row[at])));
  const numbers = series.flat().filter((one) => one !== null);
  const bound = (pick, start) => numbers.reduce((a, b) => pick(a, b), start);
  const low = lines ? bound(Math.min, numbers[0] ?? 0) : bound(Math.min, 0);
  const high = lines ? bound(Math.max, numbers[0] ?? 0) : bound(Math.max, 0);
  const steps = ticks(low, high);
  const place = (wide - EDGE.left - EDGE.right) / rows.length;
  const x = (at) => EDGE.left + place * (at + 0.5);
  const y = (value) => EDGE.top + ((steps.at(-1) - value) / (steps.at(-1) - steps[0])) * (HIGH - EDGE.top - EDGE.bottom);
  const names = plan.series.map((at) => columns[at]);
  const told = `${lines ? "Lines" : "Bars"} of ${names.join(", ")}${plan.label < 0 ? "" : ` by ${columns[plan.label]}`}, ${counted(rows.length, "row")}`;
  const svg = makeSvg("svg", { viewBox: `0 0 ${wide} ${HIGH}`, role: "img", "aria-label": told });
  drawAxes(svg, wide, steps, y, rows, plan, x);
  series.forEach((values, nth) => (lines ? drawLine(svg, values, nth, x, y) : drawBars(svg, values, nth, series.length, place, x, y)));
  const legend = make("ul", "legend", ...names.map((name, nth) => make("li", `series${nth}`, name)));
  const left = all.length > rows.length ? make("p", "note", `The first ${grouped(PLACES_MOST)} of ${counted(all.length, "row")} are drawn.`) : "";
  return make("figure", "chart", legend, svg, make("figcaption", "note", told), left);
}
