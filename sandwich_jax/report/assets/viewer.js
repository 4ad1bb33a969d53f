"use strict";
/* The game viewer: board with arrows, moves, E's opinion as a bar and a line, jumps and filters. */

const ARROWS = {
  played: {class: "arrow-played"}, own: {class: "arrow-own"},
  advice: {class: "arrow-advice"}, corrupted: {class: "arrow-corrupted"},
};
const SQUARES = {from: {class: "marker-from", slice: "markerSquare"}, to: {class: "marker-to", slice: "markerSquare"}};
const MARKS = {
  fooled: {sign: "✗", text: "corrupted advice, followed"}, caught: {sign: "✓", text: "corrupted advice, refused: W caught it"},
  spurned: {sign: "↺", text: "good advice, refused"}, heeded: {sign: "", text: "good advice, followed"},
};

function viewerSection(games) {
  const state = {kind: "all", member: "", list: [], game: null, ply: 0, flipped: false};
  const parts = viewerParts();
  const board = new Vendor.Chessboard(parts.board, {
    position: START, responsive: true, assetsUrl: "",
    style: {cssClass: "default", showCoordinates: true, animationDuration: 0},
    extensions: [{class: Vendor.Arrows, props: {headSize: 5}}, {class: Vendor.Markers, props: {autoMarkers: null}}],
  });
  parts.board.querySelector("svg").setAttribute("aria-hidden", "true");
  let timeline = null, turning = false;

  const memberOf = (game) => [game.member, game.seed === null ? null : `seed ${game.seed}`, severalSources ? game.source : null].filter(Boolean).join(", ");
  const severalSources = new Set(games.map((game) => game.source)).size > 1;
  const members = [...new Set(games.map(memberOf))];

  function refilter() {
    state.list = games.filter((game) => (!state.member || memberOf(game) === state.member)
      && (state.kind === "all" || countOf(game, state.kind) > 0));
    setOptions(parts.game.select, state.list.map((game, index) => [index, titleOf(game)]));
    const empty = !state.list.length;
    parts.empty.hidden = !empty;
    for (const button of parts.buttons) button.disabled = empty;
    parts.section.classList.toggle("without-game", empty);
    if (!empty) open(state.list.includes(state.game?.packed) ? state.game.packed : state.list[0]);
  }

  function titleOf(game) {
    const count = countOf(game, state.kind);
    const what = state.kind === "all" ? "corrupted" : KINDS[state.kind].short;
    return `Game ${game.round} · ${state.member ? "" : `${memberOf(game)} · `}${game.result} · ${count} ${what}`;
  }

  function open(packed, ply) {
    if (state.game?.packed !== packed) {
      state.game = {...unpack(packed), packed};
      const chosen = ply ?? Math.max(0, state.game.opening);
      state.ply = chosen;
      parts.white.textContent = state.game.white;
      parts.black.textContent = state.game.black;
      parts.result.textContent = `${state.game.event}, game ${state.game.round}: ${resultText(state.game)}`;
      turn();
      timeline = timelineOf(state.game, parts.timeline, go);
    } else if (ply !== undefined) state.ply = ply;
    parts.game.select.value = String(state.list.indexOf(packed));
    fillMoves();
    refresh();
  }

  const orientation = () => ((state.game.side === "w") !== state.flipped ? "w" : "b");

  /** One turn at a time: the board drops what comes while it turns, so it is looked at again then. */
  function turn() {
    if (turning || board.getOrientation() === orientation()) return;
    turning = true;
    Promise.resolve(board.setOrientation(orientation())).then(() => {
      turning = false;
      turn();
    });
  }

  /** Set at once: a change that waits for the next frame complains if the board is laid out anew before. */
  function place(placement) {
    if (turning) return board.setPosition(placement); // after the turn
    board.state.position.setFen(placement);
    board.view.redrawPieces();
  }

  function fillMoves() {
    const rows = [];
    state.game.plies.forEach((ply, index) => {
      if (index % 2 === 0) rows.push(make("li", {}, make("span", {class: "number"}, `${index / 2 + 1}.`)));
      rows[rows.length - 1].append(moveButton(ply));
    });
    parts.moves.replaceChildren(...rows, make("li", {}, endButton()));
  }

  function moveButton(ply) {
    const kind = kindOf(ply.flags), mark = MARKS[kind];
    const faint = state.kind !== "all" && !KINDS[state.kind].test(ply.flags);
    return make("button", {
      type: "button", tabindex: "-1", "data-ply": ply.index, class: `move ${kind} ${faint ? "faint" : ""}`,
      title: mark?.text, "aria-label": `${ply.san}${mark ? `: ${mark.text}` : ""}`, onclick: () => go(ply.index),
    }, ply.san, mark?.sign ? make("span", {class: "sign"}, mark.sign) : null);
  }

  const endButton = () => make("button", {
    type: "button", tabindex: "-1", class: "move", "data-ply": state.game.plies.length, onclick: () => go(state.game.plies.length),
  }, state.game.result === "*" ? "end" : state.game.result);

  function go(ply) {
    if (!state.game) return;
    state.ply = Math.max(0, Math.min(state.game.plies.length, ply));
    refresh();
  }

  /** To the next (or last) ply of the chosen kind, in this game or another of the list. */
  function jump(step) {
    if (!state.game) return;
    const test = (ply) => KINDS[state.kind].test(ply.flags);
    let index = state.list.indexOf(state.game.packed), plies = state.game.plies, from = state.ply + step;
    for (let games_ = 0; games_ <= state.list.length; games_++) {
      for (let ply = from; ply >= 0 && ply < plies.length; ply += step) {
        if (test(plies[ply])) return open(state.list[index], ply);
      }
      index = (index + step + state.list.length) % state.list.length;
      const flags = state.list[index].flags;
      plies = [...flags].map((digit) => ({flags: Number(digit)}));
      from = step > 0 ? 0 : plies.length - 1;
    }
    parts.said.textContent = `No ${KINDS[state.kind].short} in these games.`;
  }

  function refresh() {
    const {game, ply} = state, now = game.plies[ply];
    place(game.placements[ply]);
    board.removeArrows();
    board.removeMarkers();
    if (now) drawPly(now);
    for (const button of parts.moves.querySelectorAll("button")) {
      const current = Number(button.dataset.ply) === ply;
      button.setAttribute("aria-current", current ? "step" : "false");
      if (current) keepInSight(parts.moves, button);
    }
    const chance = chanceOf(game, ply);
    parts.fill.style.height = `${100 * (chance ?? 0.5)}%`;
    parts.fill.classList.toggle("unknown", chance === null);
    parts.bar.classList.toggle("upside-down", state.flipped);
    const text = chance === null ? "E's opinion of this position is not known" : `E: W's side wins ${Math.round(100 * chance)}%`;
    parts.bar.setAttribute("aria-label", text);
    parts.chance.textContent = text;
    parts.said.replaceChildren(...tell(game, ply));
    timeline.mark(ply);
  }

  function drawPly(now) {
    board.addMarker(SQUARES.from, now.move.slice(0, 2));
    board.addMarker(SQUARES.to, now.move.slice(2, 4));
    const told = now.advice?.move, arrow = (type, move) => board.addArrow(type, move.slice(0, 2), move.slice(2, 4));
    if (now.move !== told) arrow(ARROWS.played, now.move);
    if (told) arrow(now.flags & CORRUPTED ? ARROWS.corrupted : ARROWS.advice, told);
    if (now.own && now.own.move !== told && now.own.move !== now.move) arrow(ARROWS.own, now.own.move);
  }

  const member = choice("Member", [["", "all"], ...members.map((name) => [name, name])], (value) => { state.member = value; refilter(); });
  const kind = choice("Show", Object.entries(KINDS).map(([name, k]) => [name, `${k.text} (${total(games, name)})`]), (value) => {
    state.kind = value;
    parts.jumps[0].textContent = `◂ Previous ${value === "all" ? "sabotage" : "such move"}`;
    parts.jumps[1].textContent = `Next ${value === "all" ? "sabotage" : "such move"} ▸`;
    refilter();
    jump(1);
  });
  kind.select.id = "viewer-kind";
  parts.game.select.addEventListener("change", () => open(state.list[Number(parts.game.select.value)]));
  parts.choices.prepend(kind.box, ...(members.length > 1 ? [member.box] : []));
  const actions = {
    first: () => go(0), back: () => go(state.ply - 1), on: () => go(state.ply + 1), last: () => go(Infinity),
    before: () => jump(-1), next: () => jump(1), flip: () => { state.flipped = !state.flipped; turn(); refresh(); },
  };
  parts.section.addEventListener("click", (event) => actions[event.target.closest("[data-act]")?.dataset.act]?.());
  const keys = {ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last", n: "next", p: "before", f: "flip"};
  parts.section.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!(event.key in keys)) return;
    event.preventDefault();
    actions[keys[event.key]]();
  });
  refilter();
  if (total(games, "all")) jump(1);
  return parts.section;
}

const total = (games, kind) => games.reduce((sum, game) => sum + countOf(game, kind), 0);

function resultText(game) {
  if (game.result !== "*") return `${game.result} by the rules`;
  const winner = {"1": "White is ahead", "-1": "Black is ahead"}[game.adjudicated];
  return `cut off unfinished; adjudicated: ${winner || "even"}`;
}

function keepInSight(list, item) {
  const top = item.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - item.offsetHeight) {
    list.scrollTop = top - list.clientHeight / 2;
  }
}

/** What happened at a ply, in words, as nodes. */
function tell(game, index) {
  const ply = game.plies[index];
  if (!ply) return [document.createTextNode(`The end: ${resultText(game)}.`)];
  const white = index % 2 === 0, kind = kindOf(ply.flags);
  const who = (white ? "w" : "b") === game.side ? "W" : "W's copy";
  const lead = make("strong", {}, `${Math.floor(index / 2) + 1}${white ? "." : "…"} ${ply.san}`);
  const said = [];
  if (index < game.opening) said.push("opening, given.");
  else if (!ply.advice) said.push(who === "W" ? "played without asking." : "played by W's unaided copy.");
  const line = (term, move, extra) => make("li", {class: term}, make("span", {class: "key"}), `${extra} `, make("b", {}, move));
  const items = [];
  if (ply.advice) items.push(line(ply.flags & CORRUPTED ? "corrupted" : "advice", ply.advice.san, ply.flags & CORRUPTED ? "A advised, corrupted:" : "A advised, honestly:"));
  if (ply.own) items.push(line("own", ply.own.san, "W's own wish:"));
  items.push(line("played", ply.san, "Played:"));
  const before = chanceOf(game, index), after = chanceOf(game, index + 1);
  const cost = before === null || after === null ? null : Math.round(100 * (after - before));
  return [
    make("p", {}, lead, said.length ? ` – ${said.join(" ")}` : "", kind ? make("span", {class: `verdict ${kind}`}, ` ${MARKS[kind].sign} ${MARKS[kind].text}`) : null),
    make("ul", {class: "keys"}, ...items),
    cost === null ? null : make("p", {class: "quiet"}, `By E, W's chances go from ${Math.round(100 * before)}% to ${Math.round(100 * after)}% (${cost > 0 ? "+" : cost < 0 ? "−" : "±"}${Math.abs(cost)}).`),
  ].filter(Boolean);
}

function viewerParts() {
  const button = (act, text, label) => make("button", {type: "button", class: "button", "data-act": act, "aria-label": label || text}, text);
  const parts = {
    board: make("div", {class: "board"}), fill: make("div", {class: "fill"}), chance: make("p", {class: "chance"}),
    white: make("span"), black: make("span"), result: make("p", {class: "quiet"}), moves: make("ol", {class: "moves", "aria-label": "Moves"}),
    said: make("div", {class: "said", "aria-live": "polite"}), timeline: make("div", {class: "timeline"}), choices: make("div", {class: "choices"}),
    game: choice("Game", [], () => {}), empty: make("p", {class: "empty", hidden: true}, "No game has such a move."),
  };
  parts.bar = make("div", {class: "evalbar", role: "img"}, parts.fill);
  parts.game.select.id = "viewer-game";
  parts.choices.append(parts.game.box);
  parts.jumps = [button("before", "◂ Previous sabotage"), button("next", "Next sabotage ▸")];
  const steps = [button("first", "|◂", "To the start"), button("back", "◂", "One move back"), button("on", "▸", "One move on"),
    button("last", "▸|", "To the end"), button("flip", "⇅", "Turn the board")];
  parts.buttons = [...parts.jumps, ...steps];
  parts.section = make("section", {id: "games", class: "card viewer", "aria-labelledby": "games-title", tabindex: "-1"},
    make("div", {class: "heading"}, make("h2", {id: "games-title"}, "Games")),
    make("p", {class: "quiet"}, "Self-play of the last round. The board shows the position before a move: W's own wish, what A advised and what was played. The chances are E's. Keys: ← → step, n and p jump, f turns the board."),
    parts.choices, parts.empty,
    make("div", {class: "table-and-moves"},
      make("div", {class: "left"},
        make("p", {class: "players"}, make("span", {class: "chip white"}), parts.white, make("span", {class: "chip black"}), parts.black),
        make("div", {class: "board-row"}, parts.bar, parts.board),
        make("div", {class: "steps"}, ...steps), make("div", {class: "steps jumps"}, ...parts.jumps)),
      make("div", {class: "right"}, parts.result, parts.chance, parts.timeline, parts.said, parts.moves)),
  );
  return parts;
}
