/* Browser notifications: one for a growing number of unread messages, when the person has allowed them in the settings.
   The text is a number, never a message: it may stand on a locked screen. Permission is asked by the button alone. */
"use strict";
const canNotify = () => "Notification" in window;
let unreadBefore = null;
function unreadNow() {
  const badge = document.getElementById("unread");
  return badge ? Number(badge.dataset.count) : null;
}
function showState() {
  const state = canNotify() ? Notification.permission : "unsupported";
  document.querySelectorAll("[data-notify-state]").forEach((words) => { words.hidden = words.dataset.notifyState !== state; });
}
document.addEventListener("DOMContentLoaded", () => { unreadBefore = unreadNow(); showState(); });
document.addEventListener("htmx:afterSettle", () => {
  const badge = document.getElementById("unread");
  const count = unreadNow();
  if (count !== null && unreadBefore !== null && count > unreadBefore && canNotify() && Notification.permission === "granted") {
    new Notification(badge.dataset.title, { body: badge.dataset.text, tag: "baoqi-messages" });
  }
  unreadBefore = count;
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-ask-notify]") || !canNotify()) { return; }
  Notification.requestPermission().then(showState);
});
