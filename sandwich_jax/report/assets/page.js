"use strict";
/* Puts the page together from the data in it. */

const RESULTS = [["elo_gain", "Elo gain over W"], ["toxicity", "toxic samples"], ["pgr", "PGR"], ["preference", "preference for toxic text"], ["pgr_preference", "PGR of it"], ["normal_bits", "bits a byte"], ["pgr_bits", "PGR of them"], ["gain_over_control", "over control"], ["a_elo", "A's Elo"], ["e_elo", "E's Elo"]];

function startPage() {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.title = `${data.title} – sandwich_jax report`;
  document.getElementById("title").textContent = data.title;
  document.getElementById("subtitle").textContent = subtitle(data);
  themeButton();
  const main = document.getElementById("main");
  const sections = [];
  const add = (title, section) => {
    main.append(section);
    sections.push([title, section.id]);
  };
  if (data.notes.length) add("Notes", notesSection(data.notes));
  for (const chart of data.charts) {
    add(chart.title, chartSection(chart));
    if (chart.id === "phase" && data.results.length) add("Results", resultsSection(data));
  }
  if (!data.charts.some((chart) => chart.id === "phase") && data.results.length) add("Results", resultsSection(data));
  if (data.games.length) {
    add("Games", make("div", {id: "games-place"}));
    document.getElementById("games-place").replaceWith(viewerSection(data.games));
    sections[sections.length - 1][1] = "games";
  }
  add("Settings", settingsSection(data.settings));
  document.getElementById("contents").append(...sections.map(([title, id]) => make("a", {href: `#${id}`}, title)));
  document.documentElement.dataset.ready = "true";
}

function subtitle(data) {
  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  return [
    count(data.results.length, "member"), count(data.games.length, "game") + " to watch",
    ...new Set(data.settings.map((s) => s.about.device).filter(Boolean)),
  ].join(" · ");
}

function notesSection(notes) {
  return make("section", {id: "notes", class: "card notes", "aria-labelledby": "notes-title"},
    make("h2", {id: "notes-title"}, "What is missing"),
    make("ul", {}, ...notes.slice(0, 50).map((note) => make("li", {}, note)),
      notes.length > 50 ? make("li", {}, `and ${notes.length - 50} more`) : null));
}

function resultsSection(data) {
  const columns = RESULTS.filter(([name]) => data.results.some((row) => row[name] && row[name][0] !== null));
  const regime = data.results.some((row) => row.in_regime !== null && row.in_regime !== undefined) || data.results.some((row) => row.elo_gain);
  const several = new Set(data.results.map((row) => row.source)).size > 1;
  const kinds = new Set(data.results.map((row) => row.misalignment)).size > 1;
  const varied = data.results.some((row) => row.settings);
  const heads = ["member", ...(varied ? ["settings"] : []), ...(kinds ? ["misalignment"] : []), ...(several ? ["run"] : []), "round", ...columns.map(([, text]) => text), ...(regime ? ["W < A < E"] : []), "verdict"];
  const rows = data.results.map((row) => [
    row.member + (row.seeds > 1 ? ` (${row.seeds} seeds)` : ""), ...(varied ? [row.settings] : []), ...(kinds ? [row.misalignment] : []), ...(several ? [row.source] : []), row.round,
    ...columns.map(([name]) => interval(...(row[name] || [null, null, null]))),
    ...(regime ? [row.in_regime === null || row.in_regime === undefined ? "–" : row.in_regime ? "yes" : "no"] : []), row.verdict || "–",
  ].map(String));
  const wide = make("div", {class: "table", tabindex: "0", role: "region", "aria-label": "Results"}, tableOf(heads, rows, "Results of all members"));
  return make("section", {id: "results", class: "card", "aria-labelledby": "results-title"},
    make("h2", {id: "results-title"}, "Results"),
    make("p", {class: "quiet"}, "After the last round; 95% intervals in brackets." + (regime ? " W < A < E: whether the assistant stood between W and E at all." : "")),
    ...(data.critical.length ? [make("ul", {class: "critical"}, ...data.critical.map((entry) => make("li", {}, criticalText(entry))))] : []), wide);
}

function criticalText(entry) {
  const name = [entry.misalignment, entry.protocol].map((kind) => kind.replaceAll("_", " ")).concat(entry.settings || []).join(", ");
  const said = [["gain_over_control_0", "the gain over the control ends at"], ["pgr_half", "PGR falls under one half at"]]
    .filter(([key]) => entry[key]).map(([key, text]) => `${text} ${entry.strength} ${entry[key].text}`);
  return `${name}: ${said.join("; ") || "no crossing was measured"}`;
}

function settingsSection(settings) {
  const table = (title, values) => (Object.keys(values).length ? make("div", {}, make("h4", {}, title),
    make("dl", {}, ...Object.entries(values).flatMap(([key, value]) => [make("dt", {}, key.replaceAll("_", " ")), make("dd", {}, value)]))) : null);
  return make("section", {id: "settings", class: "card", "aria-labelledby": "settings-title"},
    make("h2", {id: "settings-title"}, "Settings and versions"),
    ...settings.map((one) => make("details", {open: settings.length === 1}, make("summary", {}, one.name),
      make("div", {class: "settings"}, table("Settings", one.settings), table("Versions", one.versions), table("Machine", one.about)))));
}

function themeButton() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const names = {auto: "◐ As the system", light: "☀ Light", dark: "☾ Dark"};
  let theme = "auto";
  try { theme = localStorage.getItem("theme") || "auto"; } catch { /* a file may have no storage */ }
  const apply = () => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    button.textContent = names[theme] || names.auto;
  };
  button.addEventListener("click", () => {
    theme = {auto: "dark", dark: "light", light: "auto"}[theme] || "auto";
    try { localStorage.setItem("theme", theme); } catch { /* likewise */ }
    apply();
  });
  apply();
}

startPage();
