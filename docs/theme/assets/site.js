// Search, and a button that copies code. Without scripts the pages are complete; these two things are missing.
"use strict";
const base = document.currentScript.dataset.base;

// ---- copy: what a reader would type, without prompts and output

for (const block of document.querySelectorAll(".highlight")) {
  const button = document.createElement("button");
  button.className = "copy";
  button.type = "button";
  button.textContent = document.documentElement.lang === "ko" ? "복사" : "copy";
  button.addEventListener("click", async () => {
    const code = block.querySelector("code").cloneNode(true);
    for (const part of code.querySelectorAll(".gp, .go, .gt, .gr")) part.remove();
    await navigator.clipboard.writeText(code.textContent.replace(/\n{2,}$/, "\n"));
    button.textContent = "✓";
  });
  block.append(button);
}

// ---- search: every word must occur; the index is a script, so that it also loads from a folder on disk

const form = document.querySelector(".search");
const input = form.querySelector("input");
const list = form.querySelector(".found");
form.hidden = false;
let index = null;

function load() {
  if (index !== null) return;
  index = [];
  const script = document.createElement("script");
  script.src = `${base}/assets/index.js`;
  script.addEventListener("load", () => { index = window.siteIndex; show(); });
  document.head.append(script);
}

// Higher is better; 0 where a word is missing. A title that is the word, or begins with it, comes first.
function score(entry, words) {
  const title = entry.title.toLowerCase(), text = entry.text.toLowerCase(), page = entry.page.toLowerCase();
  let sum = 0;
  for (const word of words) {
    if (title === word || `${page}.${title}` === word) sum += 60;
    else if (title.startsWith(word)) sum += 30;
    else if (title.includes(word)) sum += 15;
    else if (page.includes(word)) sum += 4;
    else if (text.includes(word)) sum += 1 + Math.min(3, text.split(word).length - 1) / 4;
    else return 0;
  }
  return sum - Math.min(title.length, 60) / 100;
}

function marked(text, words) {
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const parts = text.split(new RegExp(`(${escaped.join("|")})`, "gi"));
  return parts.map((part, i) => {
    if (i % 2 === 0) return document.createTextNode(part);
    const mark = document.createElement("mark");
    mark.textContent = part;
    return mark;
  });
}

function excerpt(text, words) {
  const lower = text.toLowerCase();
  const at = Math.min(...words.map((word) => lower.indexOf(word)).filter((i) => i >= 0), text.length);
  const start = at === text.length ? 0 : Math.max(0, text.lastIndexOf(" ", at - 50) + 1);
  return (start > 0 ? "… " : "") + text.slice(start, start + 150) + (text.length > start + 150 ? " …" : "");
}

function item(entry, words) {
  const line = document.createElement("li"), link = document.createElement("a");
  link.href = `${base}/${entry.url}`;
  const title = document.createElement("b"), where = document.createElement("span"), text = document.createElement("p");
  title.append(...marked(entry.title, words));
  where.className = "where";
  where.textContent = entry.page === entry.title ? "" : ` · ${entry.page}`;
  text.append(...marked(excerpt(entry.text, words), words));
  link.append(title, where, text);
  line.append(link);
  return line;
}

function show() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  list.hidden = words.length === 0;
  if (words.length === 0 || index === null) return;
  // Pages of the reader's language before the other ones.
  const korean = document.documentElement.lang === "ko";
  const ranked = index
    .map((entry) => [score(entry, words) * (entry.url.startsWith("ko/") === korean ? 1.3 : 1), entry])
    .filter(([points]) => points > 0)
    .sort((a, b) => b[0] - a[0])
    .slice(0, 12);
  list.replaceChildren(...ranked.map(([, entry]) => item(entry, words)));
  if (ranked.length === 0) {
    const none = document.createElement("li");
    none.className = "none";
    none.textContent = input.dataset.none;
    list.append(none);
  }
}

input.addEventListener("focus", load);
input.addEventListener("input", show);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
  const typing = /INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); input.focus(); }
  if (event.key === "Escape") { list.hidden = true; input.blur(); }
});
document.addEventListener("click", (event) => { if (!form.contains(event.target)) list.hidden = true; });

// ---- a wide screen shows the menu, a narrow one folds it

document.querySelector(".menu").open = matchMedia("(min-width: 801px)").matches;
