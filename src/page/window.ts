/** Of a long list, the rows that can be seen, and some around them. */
export interface Range {
  from: number;
  to: number;
}

const around = 8;

/** Which rows to draw, when the list begins `above` pixels above the upper edge of what can be seen, which is `visible` high. */
export function rangeOf(rows: number, rowHeight: number, above: number, visible: number): Range {
  const first = Math.floor(above / rowHeight) - around;
  const last = Math.ceil((above + visible) / rowHeight) + around;
  const from = Math.max(0, Math.min(first, rows));
  return { from, to: Math.max(from, Math.min(last, rows)) };
}
