// Reloads this tab when the server has newer pages than the tab shows.
//
// Every page carries the id of its build, and /build.json says which build the server has now
// (scripts/page_script.py writes both, and calls the functions below from Reflex's own script).

const page = typeof document === "undefined" ? null : document.querySelector('meta[name="build"]');
// `make dev` reloads at once. Elsewhere the next navigation does, so that no half-filled form is lost.
const atOnce = page?.dataset.reload === "at-once";
let outOfDate = false;

const newestBuild = async () => {
  try {
    const answer = await fetch("/build.json", { cache: "no-store" });
    return answer.ok ? (await answer.json()).build : null;
  } catch {
    return null; // No server answers. The next connection asks again.
  }
};

// The event socket has connected: to a server that was started again, perhaps with other pages.
export const checkBuild = async () => {
  const shown = page?.content;
  const newest = shown && (await newestBuild());
  if (!newest) return;
  outOfDate = newest !== shown;
  if (outOfDate && atOnce) window.location.reload();
};

// In `make dev` a page with the error answers in the place of a store that cannot start.
export const connectionFailed = () => {
  if (atOnce) checkBuild();
};

// The page's router has come to another address: load the page from there, if this one is out of date.
export const reloadInstead = () => {
  if (outOfDate) window.location.reload();
  return outOfDate;
};

// A link of a page that is out of date is left to the browser, which loads its target. The router, which would
// show the target by itself, looks for a script that the server may no longer have.
if (page) {
  const leaveToBrowser = (event) => {
    if (outOfDate && event.target.closest?.("a[href]")) event.stopPropagation();
  };
  window.addEventListener("click", leaveToBrowser, { capture: true });
}
