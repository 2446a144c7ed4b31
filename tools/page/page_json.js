// SPDX-License-Identifier: Apache-2.0
/*
 * JSON as the server writes it. A number stays the text that it is, for the 64 bits of an integer don't fit into a number of JavaScript.
 * An answer that was cut off gives what of it is whole.
 */

/** A number, as it was written. */
class Numeral {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

/** The text ended within a value. */
class Unfinished extends Error {}

const words = new Map([["null", null], ["true", true], ["false", false]]);
const numeral = /[-+0-9.a-zA-Z]+/y;

class Reader {
  constructor(text, most) {
    this.text = text;
    this.at = 0;
    this.most = most;
    this.left = 0;
    this.cut = false;
  }

  blank() {
    while (" \n\r\t".includes(this.text[this.at] ?? "x")) this.at++;
    if (this.at >= this.text.length) throw new Unfinished();
    return this.text[this.at];
  }

  string() {
    const begin = this.at++;
    for (;;) {
      const end = this.text.indexOf('"', this.at);
      if (end < 0) throw new Unfinished();
      let slashes = end;
      while (this.text[slashes - 1] === "\\") slashes--;
      this.at = end + 1;
      if ((end - slashes) % 2 === 0) return JSON.parse(this.text.slice(begin, this.at));
    }
  }

  value() {
    const first = this.blank();
    if (first === '"') return this.string();
    if (first === "{") return this.object();
    if (first === "[") return this.array([], Infinity);
    numeral.lastIndex = this.at;
    const found = numeral.exec(this.text);
    if (!found) throw new Error("the answer isn't JSON");
    this.at += found[0].length;
    if (this.at >= this.text.length) throw new Unfinished(); // there may be more of it
    return words.has(found[0]) ? words.get(found[0]) : new Numeral(found[0]);
  }

  // What is behind a member: true if there is another.
  more(end) {
    const next = this.blank();
    this.at++;
    if (next !== "," && next !== end) throw new Error("the answer isn't JSON");
    return next === ",";
  }

  array(into, most) {
    this.at++;
    if (this.blank() === "]") {
      this.at++;
      return into;
    }
    do {
      const one = this.value();
      if (into.length < most) into.push(one);
      else this.left++;
    } while (this.more("]"));
    return into;
  }

  // Of an object without a prototype, for its names are others'.
  object(members = Object.create(null)) {
    this.at++;
    if (this.blank() === "}") {
      this.at++;
      return members;
    }
    do {
      if (this.blank() !== '"') throw new Error("the answer isn't JSON");
      const name = this.string();
      this.blank();
      this.at++;
      if (name === "rows" && this.most < Infinity && this.blank() === "[") {
        members.rows = [];
        this.array(members.rows, this.most);
      } else {
        members[name] = this.value();
      }
    } while (this.more("}"));
    return members;
  }
}

/** All of a text. */
function readJson(text) {
  return new Reader(text, Infinity).value();
}

/** An answer with at most so many of its rows: {columns, rows, left, cut}. `left` rows came and weren't taken; `cut`: it has no end. */
function readAnswer(text, most) {
  const reader = new Reader(text, most);
  const members = Object.create(null);
  let cut = false;
  try {
    reader.blank();
    reader.object(members);
  } catch (problem) {
    if (!(problem instanceof Unfinished)) throw problem;
    cut = true;
  }
  return { columns: [], rows: [], ...members, left: reader.left, cut };
}
