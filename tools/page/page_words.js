// SPDX-License-Identifier: Apache-2.0
/* Elements, and values in words. Data becomes text nodes and nothing else. */

const byId = (id) => document.getElementById(id);

/** An element of a class with these children: elements, or texts. */
function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
function makeSvg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** 1234567 as 1,234,567, of a text of digits of any length. */
function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

function counted(number, one, many = one + "s") {
  return `${grouped(number)} ${String(number) === "1" ? one : many}`;
}

/** A time in the unit that suits it. */
function inTime(microseconds) {
  const ms = Number(microseconds) / 1000;
  if (ms < 0) return "never";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3600000) return `${Math.round(ms / 60000)} min`;
  if (ms < 172800000) return `${Math.round(ms / 3600000)} h`;
  return `${Math.round(ms / 86400000)} days`;
}

function inBytes(bytes) {
  if (bytes < 1024) return counted(bytes, "byte");
  const steps = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** steps).toFixed(1)} ${["", "KiB", "MiB", "GiB", "TiB"][steps]}`;
}

/** A name as SQL has it. */
function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The bytes of a BLOB of an answer; null of any other value. */
function bytesOf(value) {
  if (value === null || typeof value !== "object" || typeof value.base64 !== "string") return null;
  return Uint8Array.from(atob(value.base64), (one) => one.charCodeAt(0));
}
