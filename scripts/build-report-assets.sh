#!/usr/bin/env bash
# Renews what others wrote in the report page: the board component, the chart library and their
# licences, bundled into sandwich_jax/report/assets/vendor.*. Needs node and npm; run it
# only to change a version below. Its results are committed, so that a report needs neither.
set -euo pipefail

board=cm-chessboard@8.15.1 # MIT; pieces CC BY-SA 3.0
plot=@observablehq/plot@0.6.17 # ISC
bundler=esbuild@0.28.2

assets=$(cd "$(dirname "$0")/../sandwich_jax/report/assets" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund "$board" "$plot" "$bundler"

cat > entry.js << 'END'
export {areaY, dot, gridX, gridY, line, plot, pointer, pointerX, ruleX, ruleY, scale, text, tip} from "@observablehq/plot";
export {Chessboard} from "cm-chessboard/src/Chessboard.js";
export {Arrows} from "cm-chessboard/src/extensions/arrows/Arrows.js";
export {Markers} from "cm-chessboard/src/extensions/markers/Markers.js";
END
npx esbuild entry.js --bundle --minify --format=iife --global-name=Vendor --legal-comments=none \
  --charset=utf8 --metafile=meta.json --log-level=warning --outfile="$assets/vendor.js"

# The sprite of the pieces that may be passed on, with its licence in a comment. The other set
# (staunty) is for non-commercial use only: it must never come along.
parts=node_modules/cm-chessboard/assets
cat $parts/pieces/standard.svg $parts/extensions/arrows/arrows.svg $parts/extensions/markers/markers.svg \
  | grep -v '<?xml version="1.0" encoding="UTF-8"?>$' | sed 's/<?xml[^>]*?>//' > "$assets/vendor.svg"
cat $parts/chessboard.css $parts/extensions/arrows/arrows.css $parts/extensions/markers/markers.css \
  | grep -v sourceMappingURL > "$assets/vendor.css"

node - > "$assets/THIRD_PARTY.txt" << 'END'
const fs = require("fs");
const used = Object.keys(JSON.parse(fs.readFileSync("meta.json")).inputs)
  .map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1])
  .concat("delaunator", "internmap", "robust-predicates"); // inside d3's own bundles
console.log("Every report page holds code and drawings by others, under these licences.\n");
console.log("Chess pieces (vendor.svg): from Wikimedia Commons, by the users Cburnett and Rfc1394,");
console.log("modified by shaack for cm-chessboard; Attribution-ShareAlike 3.0 Unported (CC BY-SA 3.0),");
console.log("creativecommons.org/licenses/by-sa/3.0, commons.wikimedia.org/wiki/Category:SVG_chess_pieces/Standard");
for (const name of [...new Set(used)].filter(Boolean).sort()) {
  const folder = "node_modules/" + name;
  const about = JSON.parse(fs.readFileSync(folder + "/package.json"));
  const licence = fs.readdirSync(folder).find((file) => /^(licen[cs]e|unlicense)/i.test(file));
  console.log(`\n${"=".repeat(80)}\n${name} ${about.version}: ${about.license}\n`);
  console.log(fs.readFileSync(`${folder}/${licence}`, "utf8").trim());
}
END
ls -l "$assets"/vendor.* "$assets/THIRD_PARTY.txt"
