"use strict";
/* One chart of the report: views, panels, a legend that hides curves, hover, keys, and a table. */

const PANELS_AT_ONCE = 6;

function chartSection(chart) {
  const state = {view: 0, panel: 0, hidden: new Set()};
  const grid = make("div", {class: "panels"});
  const legend = make("ul", {class: "legend", "aria-label": "Curves; press to hide or show"});
  const table = make("div", {class: "table"});
  const details = make("details", {ontoggle: () => fillTable()}, make("summary", {}, "As a table"), table);
  const tools = make("div", {class: "tools"});
  const section = make(
    "section", {id: chart.id, class: `card ${chart.id !== "phase" && chart.views.every((v) => v.panels.length === 1) ? "half" : ""}`, "aria-labelledby": `${chart.id}-title`},
    make("div", {class: "heading"}, make("h2", {id: `${chart.id}-title`}, chart.title), tools),
    make("p", {class: "quiet"}, chart.caption), legend, grid, details,
  );
  if (chart.views.length > 1) tools.append(viewButtons());
  const panels = choice("Panel", [], (value) => { state.panel = Number(value); redraw(); });

  function viewButtons() {
    const buttons = chart.views.map((view, index) => make("button", {
      type: "button", class: "button", "aria-pressed": String(index === 0),
      onclick: () => {
        state.view = index;
        buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(i === index)));
        redraw();
      },
    }, view.name));
    return make("div", {class: "switch", role: "group", "aria-label": "What is shown"}, ...buttons);
  }

  const view = () => chart.views[state.view];
  const crowded = () => view().panels.length > PANELS_AT_ONCE;

  function shown() {
    if (!crowded()) return view().panels;
    return [view().panels[Math.min(state.panel, view().panels.length - 1)]];
  }

  function redraw() {
    panels.box.remove();
    if (crowded()) {
      tools.append(panels.box);
      setOptions(panels.select, view().panels.map((panel, index) => [index, panel.title]));
      panels.select.value = String(Math.min(state.panel, view().panels.length - 1));
    }
    fillLegend();
    const domain = view().limits ? view().limits.map((end, i) => end + (i ? 0.04 : -0.04)) : domainOf(view().panels, state.hidden);
    grid.replaceChildren(...shown().map((panel) => panelFigure(chart, view(), panel, domain, state.hidden)));
    fillTable();
  }

  function fillLegend() {
    const seen = new Map();
    for (const panel of shown()) {
      const curves = curvesOf(panel);
      for (const series of panel.series) {
        if (!seen.has(series.name)) seen.set(series.name, styleOf(series, curves));
      }
    }
    legend.replaceChildren(...[...seen].map(([name, style]) => make("li", {}, make("button", {
      type: "button", "aria-pressed": String(!state.hidden.has(name)),
      onclick: (event) => {
        if (!state.hidden.delete(name)) state.hidden.add(name);
        const index = [...legend.children].indexOf(event.currentTarget.parentElement);
        redraw();
        legend.children[index].firstChild.focus();
      },
    }, swatch(style), name))));
  }

  function fillTable() {
    if (!details.open) return;
    const rows = shown().flatMap((panel) => panel.series.flatMap((series) => series.points.map(
      ([x, y, low, high]) => [panel.title, series.name, show(x), show(y), show(low), show(high)])));
    const heads = ["panel", "curve", chart.x, view().y, "low", "high"];
    table.replaceChildren(tableOf(heads, rows, `${chart.title}: ${view().name}`));
  }

  redraw();
  return section;
}

const curvesOf = (panel) => panel.series.filter((series) => series.style === "curve").length;

function tableOf(heads, rows, caption) {
  return make(
    "table", {}, make("caption", {class: "unseen"}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", {scope: "col"}, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))),
  );
}

/** The range of y that all panels share; few wild intervals do not stretch it. */
function domainOf(panels, hidden) {
  const heights = [], ends = [], reaches = [];
  for (const panel of panels) {
    heights.push(...panel.references.map((r) => r.y), ...(panel.diagonal || []));
    for (const series of panel.series) {
      if (hidden.has(series.name)) continue;
      for (const [, y, low, high] of series.points) {
        heights.push(y);
        if (y === null || low === null || high === null) continue;
        ends.push(low, high);
        reaches.push(Math.max(high - y, y - low));
      }
    }
  }
  const known = heights.filter((y) => y !== null);
  if (!known.length) return [0, 1];
  const bottom = Math.min(...known), top = Math.max(...known);
  const room = Math.max((top - bottom) / 2, 1.5 * median(reaches));
  const inside = ends.filter((y) => y > bottom - room && y < top + room).concat(known);
  const margin = (Math.max(...inside) - Math.min(...inside) || 1) * 0.05;
  return [Math.min(...inside) - margin, Math.max(...inside) + margin];
}

/** 0 of no numbers. */
function median(numbers) {
  if (!numbers.length) return 0;
  const sorted = [...numbers].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** One panel; drawn anew whenever its width changes. */
function panelFigure(chart, view, panel, domain, hidden) {
  const said = make("p", {class: "unseen", "aria-live": "polite"});
  const frame = make("div", {class: "plot", tabindex: "0", role: "img", "aria-label": summaryOf(chart, view, panel)});
  const figure = make("figure", {}, make("figcaption", {}, panel.title), frame, said);
  const points = pointsOf(panel, hidden, panel.x || chart.x, view.y);
  let width = 0, svg = null;
  new ResizeObserver(() => {
    if (Math.abs(frame.clientWidth - width) < 2 || !frame.clientWidth) return;
    width = frame.clientWidth;
    svg = plotOf(chart, view, panel, points, domain, width);
    frame.replaceChildren(svg);
  }).observe(frame);
  const walk = walker(points);
  frame.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return leave();
    const point = walk(event.key);
    if (!point || !svg) return;
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent("pointermove", {
      clientX: box.left + svg.scale("x").apply(point.x), clientY: box.top + svg.scale("y").apply(point.y),
      pointerType: "mouse", bubbles: true,
    }));
    said.textContent = point.text;
  });
  const leave = () => svg && svg.dispatchEvent(new PointerEvent("pointerleave", {pointerType: "mouse"}));
  frame.addEventListener("blur", leave);
  return figure;
}

/** Left and right go along a curve, up and down from curve to curve. */
function walker(points) {
  let at = -1;
  return (key) => {
    if (!points.length || !key.startsWith("Arrow")) return null;
    const names = [...new Set(points.map((p) => p.name))];
    if (key === "ArrowRight") at = (at + 1) % points.length;
    else if (key === "ArrowLeft") at = (at - 1 + points.length) % points.length;
    else {
      const step = key === "ArrowDown" ? 1 : names.length - 1;
      const next = names[(names.indexOf(points[Math.max(at, 0)].name) + step) % names.length];
      at = points.findIndex((p) => p.name === next);
    }
    return points[at];
  };
}

function pointsOf(panel, hidden, xLabel, yLabel) {
  const curves = curvesOf(panel);
  return panel.series.filter((series) => !hidden.has(series.name)).flatMap((series) => {
    const style = styleOf(series, curves);
    return series.points.filter((point) => point[1] !== null).map(([x, y, low, high]) => ({
      x, y, low, high, name: series.name, kind: series.style, ...style,
      text: `${series.name}\n${xLabel.split(",")[0]} ${show(x)}\n${yLabel}: ${interval(y, low, high)}`,
    }));
  });
}

function summaryOf(chart, view, panel) {
  const parts = panel.series.slice(0, 8).map((series) => {
    const points = series.points.filter((point) => point[1] !== null);
    if (!points.length) return series.name;
    const first = points[0], last = points[points.length - 1];
    return `${series.name} from ${show(first[1])} at ${show(first[0])} to ${show(last[1])} at ${show(last[0])}`;
  });
  const more = panel.series.length > 8 ? `; and ${panel.series.length - 8} more curves` : "";
  return `${chart.title}, ${panel.title}. ${view.y} against ${panel.x || chart.x}: ${parts.join("; ")}${more}. Arrow keys read the points.`;
}

function plotOf(chart, view, panel, points, domain, width) {
  const xs = points.map((p) => p.x);
  const span = panel.diagonal ? [0, 1] : [Math.min(...xs), Math.max(...xs)];
  if (span[0] === span[1]) { span[0] -= 0.5; span[1] += 0.5; }
  const lines = points.filter((p) => p.kind !== "scatter");
  const banded = points.filter((p) => p.low !== null && p.low !== undefined);
  const channels = {x: "x", y: "y", z: "name"};
  // Names of lines stand beside the plot, where they hide no curve.
  const beside = Math.max(0, ...panel.references.map((r) => Math.min(r.name.length, 9))) * 7;
  const marks = [
    Vendor.gridY({stroke: "var(--grid)", strokeOpacity: 1}),
    ...panel.references.flatMap((r) => referenceMarks(r, span)),
    panel.diagonal && Vendor.line([[0, panel.diagonal[0]], [1, panel.diagonal[1]]], {stroke: "var(--quiet)", strokeDasharray: "2 4"}),
    Vendor.areaY(banded, {x: "x", y1: "low", y2: "high", z: "name", fill: "colour", fillOpacity: 0.16, clip: true}),
    ...dashes(lines).map(([dash, own]) => Vendor.line(own, {...channels, stroke: "colour", strokeWidth: 2, strokeDasharray: dash, clip: true})),
    Vendor.dot(points.filter((p) => p.symbol), {...channels, fill: "colour", symbol: "symbol", r: 3.8, clip: true}),
    Vendor.text(panel.references, {x: () => span[1], y: "y", text: "name", textAnchor: "start", lineWidth: 5, dx: 12, fill: "var(--quiet)"}),
    Vendor.dot(points, Vendor.pointer({x: "x", y: "y", r: 8, stroke: "colour", strokeWidth: 2})),
    Vendor.tip(points, Vendor.pointer({x: "x", y: "y", title: "text", fill: "var(--card)", stroke: "var(--quiet)", textPadding: 10, fontSize: 13, lineWidth: 24})),
  ];
  return Vendor.plot({
    width, height: Math.max(230, Math.min(380, width * 0.62)), marginLeft: 52, marginBottom: 44, marginRight: 16 + beside, marginTop: 28,
    style: {background: "transparent", color: "var(--ink)", fontSize: "12px", fontFamily: "inherit", overflow: "visible"},
    x: {label: panel.x || chart.x, domain: span, nice: false, labelAnchor: "center", labelArrow: "none", inset: 8,
        ...(chart.whole ? {ticks: wholeTicks(span, width)} : {}), tickFormat: show},
    y: {label: view.y, domain, labelArrow: "none", tickFormat: show},
    color: {type: "identity"},
    marks,
  });
}

const dashes = (points) => [...new Set(points.map((p) => p.dash))].map((dash) => [dash || undefined, points.filter((p) => p.dash === dash)]);

function wholeTicks([low, high], width) {
  const step = Math.max(1, Math.ceil((high - low) / Math.max(2, Math.floor(width / 50))));
  return Array.from({length: Math.floor((high - low) / step) + 1}, (_, i) => Math.ceil(low) + i * step);
}

function referenceMarks(reference, span) {
  const band = reference.low === null || reference.low === undefined ? [] : [
    Vendor.areaY([...span], {x: (x) => x, y1: () => reference.low, y2: () => reference.high, fill: "var(--ink)", fillOpacity: 0.07, clip: true}),
  ];
  return [
    ...band,
    Vendor.ruleY([reference.y], {stroke: "var(--quiet)", strokeDasharray: "1 3", strokeWidth: 1.5}),
  ];
}
