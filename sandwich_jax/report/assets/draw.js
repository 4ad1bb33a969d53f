"use strict";
/* Small helpers that all parts of the page use. Text always enters the page as text. */

/** Makes an element: attributes, "on..." listeners, children that are elements or text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const COLOURS = 7; // Okabe and Ito's, as --c0 ... --c6 of the style sheet, lighter in the dark
// Of assistants and controls, which all have one colour; dotted lines are references.
const ASSISTANTS = ["diamond2", "triangle2", "hexagon", "square2", "cross"];
const ASSISTANT_DASHES = ["3 3", "8 3 2 3", "2 5", "6 2 1 2 1 2"];
const CONTROL_DASHES = ["6 4", "8 3 2 3", "2 5", "6 2 1 2 1 2"];
const SYMBOLS = ["circle", "square", "triangle", "diamond", "plus", "star", "wye", "times"];

/** Colour, marker and dashes of a series; one of very many curves gets its place on a ramp. */
function styleOf(series, curves) {
  const nth = (list) => list[series.slot % list.length];
  if (series.style === "control") return {colour: "var(--control)", symbol: null, dash: nth(CONTROL_DASHES)};
  if (series.style === "assistant") return {colour: "var(--ink)", symbol: nth(ASSISTANTS), dash: nth(ASSISTANT_DASHES)};
  const many = series.style === "curve" && curves > COLOURS;
  if (many) return {colour: ramp(series.slot / Math.max(1, curves - 1)), symbol: null, dash: null};
  return {
    colour: `var(--c${series.slot % COLOURS})`,
    symbol: SYMBOLS[series.slot % SYMBOLS.length],
    dash: null,
  };
}

const viridis = Vendor.scale({color: {type: "linear", domain: [0, 1], scheme: "viridis"}});
const ramp = (share) => viridis.apply(0.1 + 0.8 * share);

/** A number as a person reads it; no more digits than it needs. */
function show(value) {
  if (value === null || value === undefined) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) < 0.1 ? 3 : 2;
  return minus(String(Number(value.toFixed(digits))));
}

const minus = (text) => text.replace("-", "−");

/** "0.37 [0.33, 0.41]" */
function interval(value, low, high) {
  if (value === null || value === undefined) return "–";
  const alone = low === null || low === undefined || high === null;
  const largest = Math.max(...[value, ...(alone ? [] : [low, high])].map(Math.abs));
  const write = (number) => minus(number.toFixed(largest >= 20 ? 0 : largest < 0.095 ? 3 : 2));
  return write(value) + (alone ? "" : ` [${write(low)}, ${write(high)}]`);
}

const SVG = "http://www.w3.org/2000/svg";

/** A piece of line with its marker, for legends. */
function swatch(style) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of [["viewBox", "0 0 28 12"], ["width", 28], ["height", 12], ["aria-hidden", "true"]]) {
    svg.setAttribute(name, value);
  }
  const line = svg.appendChild(document.createElementNS(SVG, "path"));
  line.setAttribute("d", "M0 6H28");
  line.setAttribute("style", `stroke:${style.colour};stroke-width:2;${style.dash ? `stroke-dasharray:${style.dash}` : ""}`);
  if (style.symbol) {
    const mark = Vendor.plot({
      width: 28, height: 12, margin: 0, axis: null, x: {domain: [0, 28]}, y: {domain: [0, 12]},
      marks: [Vendor.dot([0], {x: () => 14, y: () => 6, symbol: style.symbol, fill: style.colour, r: 4})],
    });
    svg.append(...mark.childNodes);
  }
  return svg;
}

/** A select box with a label. */
function choice(label, options, onchange) {
  const select = make("select", {onchange: () => onchange(select.value)});
  setOptions(select, options);
  return {box: make("label", {class: "choice"}, make("span", {}, label), select), select};
}

/** Options of a select box: pairs of value and text. */
function setOptions(select, options) {
  select.replaceChildren(...options.map(([value, text]) => make("option", {value}, text)));
}
