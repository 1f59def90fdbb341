// What is wrong with how the open page looks and is built, one sentence each. Run in the page by the tests.
// WIDTH is that of the screen: a phone zooms out of a page that is too wide, and `innerWidth` grows with it.
(() => {
  const wrong = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true });
  const path = (element) => {
    const name = element.tagName.toLowerCase() + (element.className.baseVal ?? element.className ?? "").replace(/^(?=.)|\s+/g, ".");
    return (element.parentElement ? path(element.parentElement) + " > " : "") + name;
  };
  const width = (state) => {
    const root = document.documentElement;
    if (root.scrollWidth > WIDTH) {
      const wide = all("body *").find((e) => e.getBoundingClientRect().right > WIDTH + 1 && !e.closest(".scroll"));
      wrong.push(`too wide ${state}: ${root.scrollWidth} > ${WIDTH}: ${wide ? path(wide) : "?"}`);
    }
  };

  // Structure.
  if (document.documentElement.lang !== "en") wrong.push("no language");
  if (!document.title.trim()) wrong.push("no title");
  for (const only of ["h1", "main", "body > header", "body > footer"])
    if (all(only).length !== 1) wrong.push(`${all(only).length} of ${only}`);
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) wrong.push(`heading of level ${next} after ${level}: ${heading.textContent}`);
    level = next;
  }
  const ids = all("[id]").map((e) => e.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id is there twice");
  for (const e of all("[aria-labelledby]"))
    if (!document.getElementById(e.getAttribute("aria-labelledby"))) wrong.push(`labelled by nothing: ${path(e)}`);
  for (const e of all("a[href^='#']"))
    if (!document.getElementById(e.hash.slice(1))) wrong.push(`leads nowhere: ${e.hash}`);
  for (const e of all("th:not([scope])")) wrong.push(`header without scope: ${e.textContent}`);
  for (const e of all("[tabindex='0']:not([role=group][aria-label])")) wrong.push(`reached without a name: ${path(e)}`);
  for (const e of all("svg:not([role=img]), svg[role=img]:not(:has(> title))")) wrong.push(`mute picture: ${path(e)}`);

  // Nothing but what we write: text that breaks out would be an element or an attribute.
  const elements = new Set(("html head meta title style body a header main footer section div p h1 h2 h3 h4 h5 b i small strong " +
    "span ul ol li dl dt dd code pre mark time br table caption thead tbody tr th td fieldset legend label input details summary " +
    "svg rect text").split(" "));
  const attributes = new Set(("lang charset http-equiv content name class id href style role tabindex scope type checked open " +
    "datetime height width x y dx rx aria-hidden aria-label aria-labelledby").split(" "));
  for (const e of all("*")) {
    if (!elements.has(e.tagName.toLowerCase())) wrong.push(`strange element: ${path(e)}`);
    for (const { name } of e.attributes) if (!attributes.has(name)) wrong.push(`strange attribute: ${path(e)} ${name}`);
  }

  width("as it opens");
  all("details").forEach((e) => { e.open = true; });
  width("unfolded");

  // Contrast of every text that can be seen, over whatever lies behind it.
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
  const behind = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const light = ([r, g, b]) => {
    const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const seen = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("title, .unseen") || !shown(element)) continue;
    texts += 1;
    const style = getComputedStyle(element);
    let opacity = 1;
    for (let e = element; e; e = e.parentElement) opacity *= Number(getComputedStyle(e).opacity);
    const back = behind(element);
    const colour = parse(element.tagName === "text" ? style.fill : style.color);
    const front = over([colour[0], colour[1], colour[2], colour[3] * opacity], back);
    const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) seen.set(path(element), ratio.toFixed(2));
  }
  if (!texts) wrong.push("no text is seen");
  for (const [where, ratio] of seen) wrong.push(`contrast ${ratio}: ${where}`);
  return wrong;
})()
