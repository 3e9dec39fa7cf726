/** What every bench needs: medians, a table, and one JSON line at the end. */

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
};

export interface Side {
  name: string;
  values: readonly number[];
}

/** A row a side: smallest, median, largest. */
export function printSides(unit: string, sides: readonly Side[]): void {
  const rows = sides.map(({ name, values }) => [
    name,
    ...[Math.min(...values), median(values), Math.max(...values)].map((v) => v.toFixed(0)),
    String(values.length),
  ]);
  printTable([['', `min ${unit}`, `median ${unit}`, `max ${unit}`, 'runs'], ...rows]);
}

/** The first column is words, the others are numbers; the first row is the head. */
export function printTable(all: readonly (readonly string[])[]): void {
  const width = (column: number) => Math.max(...all.map((row) => (row[column] ?? '').length));
  for (const row of all)
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(width(i)) : cell.padStart(width(i)))).join('  '));
}

export interface Result {
  bench: string;
  ratio: number;
  ours: number;
  theirs: number;
  unit: string;
  runs: number;
}

/** The last line: one object for programs to read. */
export function printResult(result: Result & Record<string, string | number>): void {
  const rounded = Object.entries(result).map(([key, value]) => [
    key,
    typeof value === 'number' ? Math.round(value * 1000) / 1000 : value,
  ]);
  console.log(JSON.stringify(Object.fromEntries(rounded)));
}
