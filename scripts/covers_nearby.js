// In the head of every page: covers with `data-src` are loaded when they are seen and, once the visitor scrolls, before.
// The browser's own lazy loading begins 1,250 to 2,500 pixels before, which on a phone is most of the store page, and
// slows its scripts down.
(() => {
  const load = (image) => (image.src = image.dataset.src);
  const loadSeen = (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      nearby.unobserve(target);
      load(target);
    }
  };
  let nearby = new IntersectionObserver(loadSeen);
  const observe = () => {
    for (const image of document.querySelectorAll("img[data-src]:not([src])")) nearby.observe(image);
  };
  new MutationObserver((changes) => {
    for (const { attributeName, target } of changes) {
      // The element shows another item now.
      if (attributeName && target.src) load(target);
    }
    observe();
  }).observe(document, { childList: true, subtree: true, attributeFilter: ["data-src"] });
  const lookAhead = () => {
    nearby.disconnect();
    nearby = new IntersectionObserver(loadSeen, { rootMargin: "600px" });
    observe();
  };
  addEventListener("scroll", lookAhead, { once: true, passive: true });
})();
