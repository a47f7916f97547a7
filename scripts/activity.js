// What a State cannot do: marks the pressed button as busy from the click itself, and shows that a server has not
// answered for three seconds; moves the focus to the heading after a navigation, and when an open order is paid or
// declined; removes what the payment page added to an order's address; and restores a list after going back to it.
//
// scripts/page_script.py has Reflex's own script call the functions below.

const SLOW_AFTER_MS = 3000;
const BACK_FOR_MS = 3000;
let pressed = null; // the button of the click that is being handled
let busy = null; // the button that waits for an answer
let timer = 0;
let toRestore = null; // the length and scroll position of a list, until they are restored

// In the list's history entry, which survives a reload of the page.
const savedList = () => (typeof history === "undefined" ? null : history.state?.list);
const itemsShown = () => document.querySelectorAll(".grid-cards > li").length;
const saveList = () => {
  const shown = itemsShown();
  if (shown) history.replaceState({ ...history.state, list: { shown, y: scrollY } }, "");
};

// The router's own scroll restoration fails while the page still shows fewer items, or those of the page before.
const restoreScroll = () => {
  if (toRestore && itemsShown() >= toRestore.shown) {
    scrollTo(0, toRestore.y);
    toRestore = null;
  }
};

const show = (id, shown) => {
  const element = document.getElementById(id);
  if (element) element.hidden = !shown;
};

const remember = (event) => {
  pressed = event.submitter ?? event.target.closest?.("main button") ?? null;
  setTimeout(() => (pressed = null));
  toRestore = null;
  saveList();
};
if (typeof window !== "undefined") {
  toRestore = savedList();
  // The list may be drawn some time after the answer that has it.
  new ResizeObserver(restoreScroll).observe(document.documentElement);
  for (const kind of ["click", "submit"]) window.addEventListener(kind, remember, { capture: true });
}

// The server has other States than this page: Reflex would reload it, and a half-filled form would be lost.
export const showNewVersion = () => show("store-new-version", true);

// An event was sent to the server.
export const eventSent = () => {
  if (pressed) {
    busy = pressed;
    busy.setAttribute("aria-busy", "true");
  }
  timer ||= setTimeout(() => show("store-slow", true), SLOW_AFTER_MS);
};

// The server has sent something.
export const eventAnswered = () => {
  busy?.removeAttribute("aria-busy");
  busy = null;
  clearTimeout(timer);
  timer = 0;
  const slow = document.getElementById("store-slow");
  if (slow && !slow.hidden) {
    slow.hidden = true;
    show("store-back", true);
    setTimeout(() => show("store-back", false), BACK_FOR_MS);
  }
  setTimeout(restoreScroll);
};

// The router shows another page: screen readers go on from its heading.
export const focusHeading = () => {
  toRestore = savedList();
  setTimeout(() => {
    const main = document.querySelector("main");
    const heading = main?.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    (heading ?? main)?.focus({ preventScroll: true });
  });
};

// Returns the query string for the State. The payment page adds parameters to the address of the order: they are removed
// from the address bar, and sent to the State with each event of the page, also after a reconnection. For a list, the
// parameter `shown` says how many items it had.
let returned = {};
export const searchOf = ({ pathname, search }) => {
  if (search.includes("invoice_id=") && pathname.includes("/orders/")) {
    returned = { pathname, search };
    history.replaceState(history.state, "", pathname);
  } else if (pathname !== returned.pathname) returned = {};
  const query = search || returned.search || "";
  const list = savedList();
  return list ? `${query}${query ? "&" : "?"}shown=${list.shown}` : query;
};

// The page of an order has its status in an attribute.
const ENDED = ["paid", "failed"];
if (typeof window !== "undefined") {
  new MutationObserver((changes) => {
    if (changes.some((change) => ENDED.includes(change.target.dataset.status))) focusHeading();
  }).observe(document, { subtree: true, attributeFilter: ["data-status"] });
}
