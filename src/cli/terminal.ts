import { stripVTControlCharacters, styleText } from 'node:util';
import { truncate } from '../runtime/text.ts';

/** A stream that is a terminal or not. */
export type Output = NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number };

/** Where a program for people writes. On a terminal the progress is text that changes; elsewhere some now and then. */
export interface Screen {
  line(text?: string): void;
  /** Replaces the progress, of one or more lines; whatever is written next takes its place. */
  progress(text: string): void;
  paint: (style: Style, text: string) => string;
}

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';

/** Where there is no terminal, seconds between two lines of progress. */
const quietSeconds = 5;

/** Writes to a stream; colours and moving lines only when it is a terminal and NO_COLOR is not set. */
export function createScreen(stream: Output, now: () => number = () => performance.now() / 1000): Screen {
  let shown = '';
  let shownAt = -Infinity;
  const clear = () => {
    if (shown !== '' && stream.isTTY) {
      const above = shown.split('\n').length - 1;
      stream.write(above === 0 ? '\r\x1b[2K' : `\r\x1b[${above}A\x1b[J`);
    }
    shown = '';
  };
  return {
    line(text = '') {
      clear();
      stream.write(`${text}\n`);
    },
    progress(text) {
      if (stream.isTTY) {
        clear();
        const cut = (line: string) => truncate(line, (stream.columns ?? 80) - 1);
        shown = fitting(stripVTControlCharacters(text).split('\n'), stream.rows).map(cut).join('\n');
        stream.write(shown);
        return;
      }
      if (text === shown || now() - shownAt < quietSeconds) return;
      shown = text;
      shownAt = now();
      stream.write(`${text}\n`);
    },
    paint: (style, text) => styleText(style, text, { stream }),
  };
}

/** As many lines as the terminal has: what has moved out of it cannot be replaced any more. */
function fitting(lines: readonly string[], rows: number | undefined): readonly string[] {
  if (rows === undefined || rows < 2 || lines.length < rows) return lines;
  const kept = lines.slice(0, rows - 2);
  return [...kept, `... ${lines.length - kept.length} more lines: the terminal is too low for them`];
}

/** Writes nothing: for tests, whose output is read only when they fail. */
export const silentScreen: Screen = { line: () => undefined, progress: () => undefined, paint: (_style, text) => text };

/**
 * A text of others as one line that no terminal obeys: a log line in a status, or a name in an image, may hold anything. White
 * space becomes blanks, other characters that are not printed become question marks.
 */
export const printable = (text: string): string => text.replace(/\s+/g, ' ').replace(/\p{C}/gu, '?');

/** The same of a text of several lines, each of which stays as far in as it is. */
export const printableLines = (text: string): string =>
  text.split('\n').map((line) => `${/^ */.exec(line)?.[0] ?? ''}${printable(line.trimStart())}`).join('\n'); // prettier-ignore

/** Columns as wide as their widest cell, two blanks apart; colours do not count. One string a line. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const width = (cell: string) => stripVTControlCharacters(cell).length;
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ''))));
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - width(cell));
  return rows.map((row) => row.map(pad).join('  ').trimEnd());
}

/** `12 s`, or `3 min 05 s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds < 10 ? seconds.toFixed(1) : whole} s`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** `45 s`, `12 min`, `3 h 05 min` or `2 d 04 h`: two units at most, without what is nothing. */
export function span(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(minutes / 60);
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

const two = (large: number, unit: string, small: number, lesser: string): string =>
  small === 0 ? `${large} ${unit}` : `${large} ${unit} ${String(small).padStart(2, '0')} ${lesser}`;

/** How many nodes have an image, of those that should; the rest of what none should have any more is kept. */
export function nodesOf({ ready, desired }: { ready: number; desired: number }): string {
  if (desired > 0) return `${ready}/${desired}`;
  return ready === 0 ? '-' : `${ready} kept`;
}

/** `38 MiB`. */
export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
