/* Copies the value of a button to the clipboard and says so; over plain http, where browsers keep the clipboard shut, by way of a selection. */
"use strict";
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) { return; }
  const said = document.getElementById("copy-said");
  let done = true;
  try { await navigator.clipboard.writeText(button.dataset.copy); } catch { done = bySelection(button.dataset.copy); }
  document.querySelectorAll("[data-copied]").forEach((other) => { delete other.dataset.copied; });
  if (done) { button.dataset.copied = ""; }
  if (said) { said.textContent = ""; said.textContent = done ? said.dataset.done : said.dataset.failed; }
  function bySelection(text) {
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    button.after(area);
    area.select();
    const worked = document.execCommand("copy");
    area.remove();
    button.focus();
    return worked;
  }
});
