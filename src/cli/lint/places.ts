import { EVENT_ID, getScalarValue, parseEvents } from 'js-yaml';
import type { Event } from 'js-yaml';

/** Where a value is written: its line, counted from 1, and what is below it by key or index. */
export interface Place {
  line: number;
  children: Map<string | number, Place>;
}

/** The places of all documents of a YAML text, which must be well-formed. A field is where its key is. */
export function placesOf(text: string): Place[] {
  const events = parseEvents(text, {});
  const lineAt = lines(text);
  let next = 0;

  /** The value that begins with the next event; `line` is that of its key. */
  function read(line: number | undefined): Place {
    const event = events[next++];
    const start = startOf(event);
    const place: Place = { line: line ?? (start === undefined ? 1 : lineAt(start)), children: new Map() };
    if (event?.type === EVENT_ID.MAPPING) readFields(place);
    else if (event?.type === EVENT_ID.SEQUENCE) readItems(place);
    return place;
  }
  function readFields({ children }: Place): void {
    for (let key = events[next]; key && key.type !== EVENT_ID.POP; key = events[next]) {
      const { line } = read(undefined);
      const name = key.type === EVENT_ID.SCALAR ? getScalarValue(text, key) : '';
      children.set(name, read(line));
    }
    next++;
  }
  function readItems({ children }: Place): void {
    for (let i = 0; events[next] && events[next]?.type !== EVENT_ID.POP; i++) children.set(i, read(undefined));
    next++;
  }

  const documents: Place[] = [];
  while (events[next]?.type === EVENT_ID.DOCUMENT) {
    next++;
    documents.push(read(undefined));
    next++;
  }
  return documents;
}

function startOf(event: Event | undefined): number | undefined {
  if (event?.type === EVENT_ID.MAPPING || event?.type === EVENT_ID.SEQUENCE) return event.start;
  if (event?.type === EVENT_ID.ALIAS) return event.anchorStart;
  return event?.type === EVENT_ID.SCALAR && event.valueStart >= 0 ? event.valueStart : undefined;
}

/** The line of an offset, by halving. */
function lines(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}
