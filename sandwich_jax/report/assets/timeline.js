"use strict";
/* E's win probability for W's side over a game, with the sabotages on it; a click goes there. */

function timelineOf(game, place, go) {
  const points = game.value.map((_, ply) => ({ply, chance: chanceOf(game, ply)})).filter((p) => p.chance !== null);
  const marks = points.filter((p) => game.plies[p.ply] && ["fooled", "caught"].includes(kindOf(game.plies[p.ply].flags)))
    .map((p) => ({...p, kind: kindOf(game.plies[p.ply].flags)}));
  const last = game.plies.length;
  let svg = null, rule = null, now = 0, width = 0;

  function draw() {
    svg = Vendor.plot({
      width, height: 110, marginLeft: 40, marginRight: 8, marginTop: 8, marginBottom: 22,
      style: {background: "transparent", color: "var(--ink)", fontSize: "11px", fontFamily: "inherit"},
      ariaLabel: "E's win probability for W's side over the game",
      x: {domain: [0, last], label: null, ticks: 6, tickFormat: (ply) => String(Math.floor(ply / 2) + 1)},
      y: {domain: [0, 1], label: null, ticks: [0, 0.5, 1], tickFormat: (share) => `${100 * share}%`},
      color: {type: "identity"},
      marks: [
        Vendor.ruleY([0.5], {stroke: "var(--grid)"}),
        Vendor.areaY(points, {x: "ply", y: "chance", fill: "var(--c0)", fillOpacity: 0.15}),
        Vendor.line(points, {x: "ply", y: "chance", stroke: "var(--c0)", strokeWidth: 2}),
        Vendor.dot(marks, {x: "ply", y: "chance", symbol: (p) => (p.kind === "fooled" ? "times" : "circle"), r: 3.5,
          stroke: (p) => (p.kind === "fooled" ? "var(--c1)" : "var(--c2)"), strokeWidth: 2}),
        Vendor.tip(points, Vendor.pointerX({x: "ply", y: "chance", fill: "var(--card)", stroke: "var(--quiet)", title: (p) => `${game.plies[p.ply] ? `before ${game.plies[p.ply].san}` : "end"}: ${Math.round(100 * p.chance)}%`})),
      ],
    });
    rule = svg.appendChild(document.createElementNS(SVG, "line"));
    for (const [name, value] of [["y1", 8], ["y2", 88], ["class", "now"]]) rule.setAttribute(name, value);
    svg.addEventListener("click", (event) => go(Math.round(svg.scale("x").invert(event.clientX - svg.getBoundingClientRect().left))));
    place.replaceChildren(svg);
    mark(now);
  }

  function mark(ply) {
    now = ply;
    if (!svg) return;
    const x = svg.scale("x").apply(ply);
    rule.setAttribute("x1", x);
    rule.setAttribute("x2", x);
  }

  place.observer?.disconnect();
  place.observer = new ResizeObserver(() => {
    if (!place.clientWidth || Math.abs(place.clientWidth - width) < 2) return;
    width = place.clientWidth;
    draw();
  });
  place.observer.observe(place);
  return {mark};
}
