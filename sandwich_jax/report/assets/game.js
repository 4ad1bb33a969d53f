"use strict";
/* A game as the report holds it: positions, what happened at each ply, and how E saw it. */

const START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR";
const ASKED = 1, CORRUPTED = 2, FOLLOWED = 4;
const KINDS = {
  "all": {text: "all moves", short: "sabotage", test: (flags) => Boolean(flags & CORRUPTED)},
  "fooled": {text: "corrupted and followed", short: "corrupted and followed", test: (flags) => (flags & 7) === 7},
  "caught": {text: "corrupted and refused", short: "corrupted and refused", test: (flags) => (flags & 7) === 3},
  "spurned": {text: "good and refused", short: "good and refused", test: (flags) => (flags & 7) === 1},
};

/** What to call a ply: fooled, caught, spurned, heeded (good and followed) or "" (not asked). */
function kindOf(flags) {
  if (!(flags & ASKED)) return "";
  for (const kind of ["fooled", "caught", "spurned"]) if (KINDS[kind].test(flags)) return kind;
  return "heeded";
}

/** The strings of a game as arrays. */
function unpack(game) {
  const words = (text) => (text ? text.split(" ") : []);
  const plies = words(game.moves).map((move, index) => ({move, index, flags: Number(game.flags[index])}));
  words(game.san).forEach((word, i) => { plies[i].san = word; });
  for (const name of ["own", "advice"]) words(game[name]).forEach((word, i) => { plies[i][name] = twofold(word); });
  return {...game, plies, placements: placements(game.start, plies.map((ply) => ply.move))};
}

/** "g1f3:Nf3" as a move that knows both its spellings. */
function twofold(word) {
  const [move, san] = word.split(":");
  return move === "-" ? null : {move, san};
}

/** How many plies of a game are of a kind. */
function countOf(game, kind) {
  let count = 0;
  for (const flags of game.flags) if (KINDS[kind].test(Number(flags))) count += 1;
  return count;
}

/** The first part of a FEN before each move and at the end. */
function placements(start, moves) {
  const squares = parse((start || START).split(" ")[0]);
  const found = [format(squares)];
  for (const move of moves) {
    push(squares, move);
    found.push(format(squares));
  }
  return found;
}

const at = (name) => (name.charCodeAt(1) - 49) * 8 + name.charCodeAt(0) - 97;

function parse(placement) {
  const squares = new Array(64).fill("");
  placement.split("/").forEach((row, down) => {
    let file = 0;
    for (const sign of row) {
      if (sign >= "1" && sign <= "8") file += Number(sign);
      else squares[(7 - down) * 8 + file++] = sign;
    }
  });
  return squares;
}

function format(squares) {
  const rows = [];
  for (let rank = 7; rank >= 0; rank--) {
    let row = "", empty = 0;
    for (const piece of squares.slice(rank * 8, rank * 8 + 8)) {
      if (!piece) { empty += 1; continue; }
      row += (empty || "") + piece;
      empty = 0;
    }
    rows.push(row + (empty || ""));
  }
  return rows.join("/");
}

/** Makes a legal move in coordinate notation. */
function push(squares, move) {
  const from = at(move), to = at(move.slice(2)), piece = squares[from], kind = piece.toLowerCase();
  const aside = from % 8 !== to % 8;
  if (kind === "p" && aside && !squares[to]) squares[to + (to > from ? -8 : 8)] = ""; // en passant
  if (kind === "k" && Math.abs(from - to) === 2) { // castling
    const rook = to > from ? to + 1 : to - 2;
    squares[(from + to) / 2] = squares[rook];
    squares[rook] = "";
  }
  squares[from] = "";
  squares[to] = move[4] ? (piece === "P" ? move[4].toUpperCase() : move[4]) : piece;
}

/** E's win probability for W's side before a ply, in [0, 1]; null where nobody knows. */
function chanceOf(game, ply) {
  const value = game.value[ply];
  return value === null || value === undefined ? null : (game.side === "w" ? value : 1000 - value) / 1000;
}
