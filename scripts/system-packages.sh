#!/usr/bin/env bash
# Installs the Debian packages that some tests and measures want. Without them those tests are
# skipped and those measures say what is missing, so this never fails: it says what it did.
set -uo pipefail

packages=(
  stockfish # strength on an engine's scale, adjudication checks
  chromium  # the report page as a reader sees it
)

# Debian's games are not on everybody's PATH.
PATH="$PATH:/usr/games"
missing=()
for package in "${packages[@]}"; do
  command -v "$package" > /dev/null || missing+=("$package")
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "system-packages: all there (${packages[*]})."
elif ! command -v apt-get > /dev/null; then
  echo "system-packages: no apt-get here; install ${missing[*]} by other means for all tests to run."
elif [ "$(id -u)" -ne 0 ]; then
  echo "system-packages: not root; for all tests to run: sudo apt-get install ${missing[*]}"
else
  echo "system-packages: apt-get update, then apt-get install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  if apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null; then
    echo "system-packages: installed ${missing[*]}."
  else
    echo "system-packages: could not install ${missing[*]}; tests that need them are skipped."
  fi
fi
exit 0
