/**
 * Compares versions of packages as dpkg does (deb-version(7)): an epoch, then letters before other characters, `~` before everything, and
 * numbers by their value. Negative when the first one is earlier. Versions of apk compare alike, but for suffixes such as `_rc1`.
 */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [parts(one), parts(other)];
  return a.epoch - b.epoch || compareText(a.upstream, b.upstream) || compareText(a.revision, b.revision);
}

function parts(version: string) {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? '' : rest.slice(dash + 1),
  };
}

/** Runs of characters that are no digits, and of digits, in turn. */
function compareText(one: string, other: string): number {
  const [a, b] = [runs(one), runs(other)];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x = '', y = ''] = [a[i], b[i]];
    const order = i % 2 === 0 ? compareCharacters(x, y) : compareNumbers(x, y);
    if (order !== 0) return order;
  }
  return 0;
}

const runs = (text: string): string[] => {
  const found: string[] = [];
  for (const [, characters = '', digits = ''] of text.matchAll(/(\D*)(\d*)/g)) found.push(characters, digits);
  return found;
};

function compareNumbers(one: string, other: string): number {
  const [a, b] = [one.replace(/^0+/, ''), other.replace(/^0+/, '')];
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function compareCharacters(one: string, other: string): number {
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    const order = weight(one[i]) - weight(other[i]);
    if (order !== 0) return order;
  }
  return 0;
}

/** `~` is before the end, which is before letters, which are before all others. */
const weight = (character: string | undefined): number => {
  if (character === undefined) return 0;
  if (character === '~') return -1;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
};
