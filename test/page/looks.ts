/** What a person sees of a page, told by the page itself. It is run in the browser: tests ask by `looks.NAME()`. */

interface Colour {
  red: number;
  green: number;
  blue: number;
  alpha: number;
}

const black: Colour = { red: 0, green: 0, blue: 0, alpha: 1 };
const white: Colour = { red: 255, green: 255, blue: 255, alpha: 1 };

function colourOf(text: string): Colour {
  const found = /^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/.exec(text);
  if (!found) throw new Error(`The page has a colour that this test cannot read: ${text}`);
  const [red = 0, green = 0, blue = 0, alpha = 1] = found.slice(1).map((it) => Number(it));
  return { red, green, blue, alpha: Number.isNaN(alpha) ? 1 : alpha };
}

/** One colour painted over another. */
function over(front: Colour, back: Colour): Colour {
  const mix = (a: number, b: number) => a * front.alpha + b * (1 - front.alpha);
  return {
    red: mix(front.red, back.red),
    green: mix(front.green, back.green),
    blue: mix(front.blue, back.blue),
    alpha: 1,
  };
}

/** Relative luminance, as WCAG 2 defines it. */
function luminance({ red, green, blue }: Colour): number {
  const part = (value: number) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
}

function contrastOf(a: Colour, b: Colour): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

function backgroundOf(element: Element | null): Colour {
  if (!element) return white;
  const own = colourOf(getComputedStyle(element).backgroundColor);
  return own.alpha === 1 ? own : over(own, backgroundOf(element.parentElement));
}

/** It takes up room and is painted. */
function isVisible(element: Element): boolean {
  const { width, height } = element.getBoundingClientRect();
  const { fontSize, clipPath } = getComputedStyle(element);
  return element.checkVisibility() && width > 0 && height > 0 && fontSize !== '0px' && clipPath === 'none';
}

const nameOf = (element: Element) => `${element.tagName.toLowerCase()}.${element.className}`;

function textsOf(root: Element): { element: Element; text: string }[] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found: { element: Element; text: string }[] = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent?.trim() ?? '';
    if (text !== '' && node.parentElement) found.push({ element: node.parentElement, text });
  }
  return found;
}

/** Texts whose contrast with what is behind them is less than 4.5. */
export function pale(): string[] {
  if (contrastOf(black, white) < 20.9) throw new Error('This test computes contrasts wrongly');
  return textsOf(document.body)
    .filter(({ element }) => isVisible(element))
    .flatMap(({ element, text }) => {
      const back = backgroundOf(element);
      const contrast = contrastOf(over(colourOf(getComputedStyle(element).color), back), back);
      return contrast < 4.5 ? [`${nameOf(element)} ${contrast.toFixed(2)} ${text.slice(0, 40)}`] : [];
    });
}

/** How many texts can be seen. */
export const visibleTexts = (): number => textsOf(document.body).filter(({ element }) => isVisible(element)).length;

/** By how many pixels the page is wider than the window. */
export const overflow = (): number => document.documentElement.scrollWidth - innerWidth;

const tones = ['good', 'busy', 'warn', 'bad', 'quiet'];

/** Two states that look the same but for their colour, and states with no sign at all. */
export function colourAlone(): string[] {
  const tonesOf = new Map<string, Set<string>>();
  const bare: string[] = [];
  for (const element of document.querySelectorAll('.badge, .cell:not(.none), .chip, .banner, .live, .steps > li')) {
    if (!element.checkVisibility()) continue;
    const signs = textsOf(element).filter((it) => isVisible(it.element));
    if (signs.length === 0) bare.push(`${nameOf(element)} has no sign`);
    const tone = [...element.classList].find((it) => tones.includes(it)) ?? '';
    const kind = element.classList.item(0) ?? '';
    const looks = `${kind.replace(tone, '')} ${signs.map(({ text }) => text).join(' ')}`;
    tonesOf.set(looks, new Set([...(tonesOf.get(looks) ?? []), tone]));
  }
  const same = [...tonesOf]
    .filter(([, of]) => of.size > 1)
    .map(([looks, of]) => `${looks} is ${[...of].join(' and ')}`);
  return [...bare, ...same];
}

/** What has the focus, and whether a person sees that. */
export function focus(): { what: string; text: string; isSeen: boolean } {
  const element = document.activeElement;
  if (!element || element === document.body) return { what: 'nothing', text: '', isSeen: false };
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const { left, top, right, bottom } = element.getBoundingClientRect();
  const middle = (from: number, to: number, end: number) => (Math.max(from, 0) + Math.min(to, end)) / 2;
  // Nothing else is painted over it, such as the head of the page.
  const onTop = document.elementFromPoint(middle(left, right, innerWidth), middle(top, bottom, innerHeight));
  const isInWindow = onTop !== null && (element.contains(onTop) || onTop.contains(element));
  return {
    what: nameOf(element),
    text: element.getAttribute('aria-label') ?? element.getAttribute('placeholder') ?? element.textContent,
    isSeen: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2 && isInWindow,
  };
}
