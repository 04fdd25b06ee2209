/* Keeps what is typed into the answer form: posted a moment after the last key, and when the page is left. Nothing is sent
   while an input method composes, nor after the form itself was sent. */
"use strict";
(() => {
  const PAUSE = 1200;
  let timer = 0, dirty = false, sent = false;
  const answer = () => document.querySelector("#answer[data-draft]");
  const say = (text) => { const box = document.getElementById("draft-said"); if (box) { box.textContent = text; } };
  async function save(leaving) {
    const form = answer();
    clearTimeout(timer);
    if (!form || !dirty || sent) { return; }
    dirty = false;
    try {
      const reply = await fetch(form.dataset.draft, { method: "POST", body: new FormData(form), keepalive: leaving });
      say(await reply.text());
    } catch (error) {
      if (!(error instanceof TypeError)) { throw error; }
      dirty = true; // the server was not reached: the next key tries again
    }
  }
  document.addEventListener("input", (event) => {
    const form = answer();
    if (!form || !form.contains(event.target)) { return; }
    dirty = true;
    clearTimeout(timer);
    if (!event.isComposing) { timer = setTimeout(() => save(false), PAUSE); }
  });
  document.addEventListener("compositionend", (event) => {
    const form = answer();
    if (form && form.contains(event.target)) { dirty = true; clearTimeout(timer); timer = setTimeout(() => save(false), PAUSE); }
  });
  document.addEventListener("click", (event) => {  // the page that a link opens shows what was typed last
    const link = event.target.closest("a[href]");
    if (!dirty || !link || link.target || link.origin !== location.origin || event.button || event.ctrlKey || event.metaKey || event.shiftKey) { return; }
    event.preventDefault();
    save(true).finally(() => location.assign(link.href));
  });
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") { save(true); } });
  document.addEventListener("submit", (event) => { if (event.target === answer()) { sent = true; clearTimeout(timer); } });
  document.addEventListener("htmx:afterSettle", () => { sent = false; });
  /* What one's own click has changed is no news: until it is answered, the page does not say that the task has ended. */
  let asked = false;
  document.addEventListener("submit", (event) => { if (event.target === answer()) { asked = true; } });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr } = event.detail;
    if (elt.id === "answer" && !xhr.getResponseHeader("HX-Redirect") && !xhr.getResponseHeader("HX-Location")) { asked = false; }
  });
  window.addEventListener("pageshow", () => { asked = false; });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (asked && event.detail.target.id === "standing") { event.detail.shouldSwap = false; }
  });
})();
